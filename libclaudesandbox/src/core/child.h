/* SPDX-License-Identifier: MIT */
/* A child of ours while it lives: its streams, how to wait for its end, and how to bring that about.
 * csb__run() is what runs one to its end; this is for what needs to go on meanwhile. */
#ifndef CSB_CORE_CHILD_H
#define CSB_CORE_CHILD_H

#include "core/process.h"

struct csb__child {
    pid_t pid;
    int exit_fd;  /* csb__child_fd() */
    int stdio[3]; /* our ends of its pipes; -1 where there is none, or when closed */
    bool foreground;
    bool done;
    int wstatus;
};

#define CSB__CHILD_INIT                                                                            \
    { -1, -1, {-1, -1, -1}, false, true, 0 }

/* Starts what `run` says: argv, envp, cwd, the streams (CSB__FD_CAPTURE: a pipe) and whether in the
 * foreground. Goes through the seam. */
int csb__child_start(struct csb__env *env, const struct csb__run *run, struct csb__child *ret,
                     csb_error **err);

/* From now on its pipes make nobody wait. When that can't be had the child is ended. */
int csb__child_unblock(struct csb__child *c, csb_error **err);

/* Looks, and reaps it. */
bool csb__child_ended(struct csb__child *c);
/* Waits for its end until then (-1: for ever), or until the env's call has to end: as
 * csb__env_check(). ETIMEOUT at `deadline` too. */
int csb__child_wait(struct csb__env *env, struct csb__child *c, int64_t deadline, const char *what,
                    csb_error **err);
/* TERM, some time to obey, KILL, also to what it left in its group; always reaps. */
void csb__child_end(struct csb__child *c);
/* KILL at once; always reaps. */
void csb__child_kill(struct csb__child *c);
/* Closes our ends. It must have been reaped. */
void csb__child_close(struct csb__child *c);

/* Once it has ended: the signal that did it or 0, and the status as a shell says it. */
int csb__child_signo(const struct csb__child *c);
int csb__child_status(const struct csb__child *c);

/* How long to wait at most where nothing wakes us when it ends. */
int csb__child_slice(const struct csb__child *c, int64_t left);

#endif
