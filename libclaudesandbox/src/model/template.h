/* SPDX-License-Identifier: MIT */
/* A Lima template, as far as we must understand one. */
#ifndef CSB_MODEL_TEMPLATE_H
#define CSB_MODEL_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define CSB__TEMPLATE_BYTES ((size_t)16 << 20)
#define CSB__TEMPLATE_KEYS_MAX 128
#define CSB__TEMPLATE_SCRIPTS_MAX 32
#define CSB__TEMPLATE_SCRIPT_BYTES ((size_t)256 << 10)
#define CSB__TEMPLATE_PAIRS_MAX 64
#define CSB__TEMPLATE_VALUE_BYTES 4096

struct csb__template_key {
    char *name;
    int line;
};

struct csb__template_pair {
    char *name; /* fit for a shell */
    char *value;
};

struct csb__template_script {
    bool as_user; /* else as root */
    int line;
    char *text;
};

struct csb__template {
    int cpus; /* 0: not said, as for the next two */
    uint64_t memory;
    uint64_t disk;
    struct csb__template_key *keys; /* those of the top level, in order */
    size_t n_keys;
    bool names_image; /* it says what to boot */
    struct csb__template_pair *params;
    size_t n_params;
    struct csb__template_pair *env;
    size_t n_env;
    struct csb__template_script *scripts;
    size_t n_scripts;
    /* The first thing that goes beyond what claude-sandbox-tools-vm(5) lets every engine do, and
     * its line; NULL when nothing does. */
    char *beyond;
    int beyond_line;
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
