/* SPDX-License-Identifier: MIT */
/* A program of the caller's in a guest: its ssh, and its keeper's (guest/script.h). */
#ifndef CSB_GUEST_PROGRAM_H
#define CSB_GUEST_PROGRAM_H

#include "core/child.h"
#include "engine/engine.h"

struct csb__program_options {
    const char *script; /* csb__command_script(), of the same token */
    const char *token;
    const char *stash; /* csb__stash_text(); NULL: none */
    int stdio[3];      /* fds, CSB__FD_NULL or CSB__FD_CAPTURE */
    bool tty;
    bool at_once; /* does not wait for its keeper; not where there is a stash */
    bool kept; /* the script has a keeper in it; stdin is not the program's then, or a terminal */
};

struct csb__program {
    struct csb__child ssh;
    struct csb__child keeper; /* of one inside there is but the pipe to it, if any */
    int line;                 /* to the ssh master, for one inside: closed when that is gone */
    bool kept;
    char *log;                  /* where ssh says what went wrong with itself */
    struct csb__run_result sad; /* what it said there */
    bool killed;                /* by us: SIGKILL takes the shell with it that would say so */
    bool over;                  /* nothing of it is left in the guest, as far as we know */
};

#define CSB__PROGRAM_INIT                                                                          \
    { .ssh = CSB__CHILD_INIT, .keeper = CSB__CHILD_INIT, .line = -1 }

/* Starts it on an open connection. EENGINE where the guest does not take it. */
int csb__program_start(struct csb__env *env, const struct csb__door *door,
                       const struct csb__program_options *o, struct csb__program *ret,
                       csb_error **err);

/* Waits until it has ended: *status is its own exit status; a connection that failed or broke is
 * EENGINE, never a status. ETIMEOUT after `timeout_ms` (-1: never), ECANCELED: it goes on. */
int csb__program_wait(struct csb__env *env, struct csb__program *p, int timeout_ms, int *status,
                      csb_error **err);

/* Sends its group a signal. EINVAL, EENGINE. */
int csb__program_signal(struct csb__program *p, int signo, csb_error **err);

/* Ends it, unless it has ended, over there and here: TERM, then KILL. Takes seconds at most. */
void csb__program_end(struct csb__env *env, struct csb__program *p);

/* Lets go of it; the guest ends what still runs. */
void csb__program_finish(struct csb__program *p);

#endif
