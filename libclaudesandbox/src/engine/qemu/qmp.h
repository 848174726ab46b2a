/* SPDX-License-Identifier: MIT */
/* QEMU's own control socket (docs/interop/qmp-spec in QEMU). One client at a time: open it, say
 * what there is to say, close it. */
#ifndef CSB_QEMU_QMP_H
#define CSB_QEMU_QMP_H

#include <jansson.h>

#include "core/env.h"
#include "core/strbuf.h"

struct csb__qmp {
    struct csb__env *env;
    int fd;
    struct csb__strbuf in;
};

/* Connects and shakes hands. ENOTFOUND when nobody listens (yet). */
int csb__qmp_open(struct csb__env *env, const char *path, struct csb__qmp *ret, csb_error **err);
void csb__qmp_close(struct csb__qmp *q);
#define CSB__AUTOQMP CSB__CLEANUP(csb__qmp_close) struct csb__qmp

/* Runs a command; takes `arguments` over (NULL: none). *ret, if asked for, is what it returned.
 * EENGINE with QEMU's own words when it refused. */
int csb__qmp_execute(struct csb__qmp *q, const char *command, json_t *arguments, json_t **ret,
                     csb_error **err);

/* Gives QEMU a copy of a descriptor, to be called "fd:NAME" from then on. */
int csb__qmp_give_fd(struct csb__qmp *q, const char *name, int fd, csb_error **err);

#endif
