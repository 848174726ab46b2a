/* SPDX-License-Identifier: MIT */
/* Running one verb of limactl. */
#ifndef CSB_ENGINE_LIMA_LIMACTL_H
#define CSB_ENGINE_LIMA_LIMACTL_H

#include "core/process.h"
#include "engine/engine.h"
#include "engine/lima/early.h"

struct csb__limactl {
    struct csb__env *env;
    const char *home; /* LIMA_HOME; NULL: none is needed */
    bool locked;      /* we hold the home's lock */
};

/* Runs it to its end, whatever that is. ENOENGINE when there is no limactl; else as csb__run(). */
int csb__limactl_call(const struct csb__limactl *l, const struct csb__strv *args, int timeout_ms,
                      struct csb__run_result *ret, csb_error **err);
/* EENGINE with limactl's own words unless it exited with 0. */
int csb__limactl_check(const struct csb__strv *args, const struct csb__run_result *r,
                       csb_error **err);
/* Both, for a verb whose output doesn't matter. */
int csb__limactl_run(const struct csb__limactl *l, const struct csb__strv *args, int timeout_ms,
                     csb_error **err);
/* The same for `start`, until the guest is of use: limactl is not waited for then, and its host agent
 * goes on. */
int csb__limactl_start(const struct csb__limactl *l, const struct csb__strv *args,
                       struct csb__lima_early *early, csb_error **err);

/* Keeps others of us from making and deleting machines in that home meanwhile; makes the home. */
int csb__limactl_lock(struct csb__env *env, const char *home, int *ret_fd, csb_error **err);

/* Where limactl runs, so that a lima.REJECTED.yaml lands in no directory of the user's. To be
 * freed; NULL when memory ran out. */
char *csb__limactl_cwd(const struct csb__env *env);

/* "limactl 2.2.0", to be freed; ENOENGINE when there is none that we can use. */
int csb__limactl_version(struct csb__env *env, char **what, csb_error **err);

#endif
