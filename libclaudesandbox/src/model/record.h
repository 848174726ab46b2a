/* SPDX-License-Identifier: MIT */
/* What we write down of each machine we make: the proof that it is ours, and what was asked. */
#ifndef CSB_MODEL_RECORD_H
#define CSB_MODEL_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "model/spec.h"

struct csb__record {
    struct csb__spec spec;
    char *engine;                /* its name */
    char *engine_home;           /* where that engine kept it (LIMA_HOME), or "" */
    int64_t created;             /* seconds since 1970 */
    bool complete;               /* false from before the engine begins until it is done */
    bool is_protected;           /* not to be deleted */
    struct csb__changes changes; /* asked for since, for the next start */
};

/* JSON text, to be freed; NULL when memory ran out. */
char *csb__record_format(const struct csb__record *record);
/* EPROTOCOL for anything that csb__record_format() would not have written. */
int csb__record_parse(const char *text, size_t len, struct csb__record *ret, csb_error **err);
void csb__record_finish(struct csb__record *record);

#define CSB__AUTORECORD CSB__CLEANUP(csb__record_finish) struct csb__record

#endif
