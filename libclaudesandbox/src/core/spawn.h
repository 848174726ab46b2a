/* SPDX-License-Identifier: MIT */
/* fork and exec, nothing else: process.c is what the rest of the house calls. */
#ifndef CSB_CORE_SPAWN_H
#define CSB_CORE_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/error.h"

struct csb__spawn {
    const char *const *argv;
    const char *const *envp; /* NULL: ours */
    const char *cwd;
    bool new_group;
    int stdio[3];
};

/* ESYSTEM with the errno of whatever failed in the child: "not found" is told from "not allowed". */
int csb__spawn(const struct csb__spawn *s, pid_t *ret, csb_error **err);

#endif
