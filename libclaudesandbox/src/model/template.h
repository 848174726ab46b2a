/* SPDX-License-Identifier: MIT */
/* A Lima template, as far as we must understand one. */
#ifndef CSB_MODEL_TEMPLATE_H
#define CSB_MODEL_TEMPLATE_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define CSB__TEMPLATE_KEYS_MAX 128

struct csb__template_key {
    char *name;
    int line;
};

struct csb__template {
    int cpus; /* 0: not said, as for the next two */
    uint64_t memory;
    uint64_t disk;
    struct csb__template_key *keys; /* those of the top level, in order */
    size_t n_keys;
};

/*
 * Reads it. `name` is for messages: "tools-vm.yaml:12:3: ...", in EINVAL for anything that is not
 * a YAML mapping, for a key given twice, and for sizes that are none.
 */
int csb__template_parse(const char *text, size_t len, const char *name, struct csb__template *ret,
                        csb_error **err);
void csb__template_finish(struct csb__template *t);

#define CSB__AUTOTEMPLATE CSB__CLEANUP(csb__template_finish) struct csb__template

#endif
