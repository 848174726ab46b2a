/* SPDX-License-Identifier: MIT */
/*
 * Whether a guest is of use before Lima says so. Lima waits until every script of its boot has run,
 * ours among them, and looks each three seconds (pkg/hostagent/requirements.go). The tools VM's first
 * script, which runs when all of Lima's own have, leaves a mark where the tools are complete and the
 * others have nothing to do: so says claude-sandbox-tools-vm(5). A guest without that says no.
 */
#ifndef CSB_ENGINE_LIMA_EARLY_H
#define CSB_ENGINE_LIMA_EARLY_H

#include "core/env.h"

#define CSB__LIMA_EARLY_MS 500 /* between two looks */

struct csb__lima_early {
    struct csb__env *env;
    const char *dir; /* the instance's */
    const char *name;
    bool never; /* this guest does not say so, ever */
};

/* Asks the guest, which takes some seconds at most. True is noted in the directory. `userdata` is the
 * struct above, as csb__run() has it. */
bool csb__lima_early_look(void *userdata);

#endif
