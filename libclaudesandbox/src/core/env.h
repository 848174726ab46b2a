/* SPDX-License-Identifier: MIT */
/* What every floor may know of the world: where our files are, how long the running call may take,
 * whether it was cancelled, and whom to tell. A context owns one; nothing here knows of VMs. */
#ifndef CSB_CORE_ENV_H
#define CSB_CORE_ENV_H

#include <stdbool.h>
#include <stdint.h>

#include <claudesandbox/context.h>

#include "core/error.h"

struct csb__runner;

struct csb__env {
    char *state_dir;
    char *limactl;     /* NULL: on PATH */
    char *guest_dir;   /* image recipe and helper */
    bool always_boot;  /* nothing is woken from warm templates */
    bool plain_shares; /* nothing is shared but in the simplest way */
    int timeout_ms;
    csb_log_fn log;
    void *log_userdata;
    csb_progress_fn progress;
    void *progress_userdata;
    const struct csb__runner *runner; /* how children are run; tests put their own here */
    void *runner_data;
    int cancel_pipe[2]; /* readable when the call was cancelled */
    int shielded;       /* > 0: undoing, which must not be cancelled itself */
    int64_t deadline;   /* of the public call that is running; -1: none */
};

int csb__env_init(struct csb__env *env, csb_error **err);
void csb__env_finish(struct csb__env *env);

/* Where csb-guest is on this machine, to be freed; NULL: nowhere. It is for Linux of this kind. */
char *csb__env_helper(const struct csb__env *env);
#ifdef __aarch64__
#define CSB__HELPER_MACHINE "aarch64"
#else
#define CSB__HELPER_MACHINE "x86_64"
#endif

/* Starts the clock of a public call. */
void csb__env_begin(struct csb__env *env, int default_ms);
/* ECANCELED or ETIMEOUT where the call must end now, else 0. `what` says what was waited for. */
int csb__env_check(struct csb__env *env, const char *what, csb_error **err);
/* The earlier of the call's deadline and `ms` from now (-1: only the call's). */
int64_t csb__env_deadline(const struct csb__env *env, int ms);
/* Waits up to ms, less when cancelled or out of time; then as csb__env_check(). */
int csb__env_wait(struct csb__env *env, int ms, const char *what, csb_error **err);
/* Between these two a call cleans up after itself: not cancelled, and with `ms` more time. */
int64_t csb__env_shield(struct csb__env *env, int ms);
void csb__env_unshield(struct csb__env *env, int64_t deadline);
/* Async-signal-safe. */
void csb__env_cancel(struct csb__env *env);

void csb__log(struct csb__env *env, int level, const char *fmt, ...) CSB__PRINTF(3, 4);
void csb__progress(struct csb__env *env, int step, int steps, const char *text);

#endif
