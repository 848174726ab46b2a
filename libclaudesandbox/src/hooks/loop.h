/* SPDX-License-Identifier: MIT */
/* What every listener waits on: one descriptor, a way to wake it, and the context's cancelling. */
#ifndef CSB_HOOKS_LOOP_H
#define CSB_HOOKS_LOOP_H

#include "core/env.h"
#include "hooks/poller.h"

/* Whom the poller's news are for. It must stay until the end of the round. */
struct csb__watch {
    void (*ready)(void *owner);
    void *owner;
};

struct csb__loop {
    struct csb__poller poller;
    int wakeup[2];
    struct csb__watch wakeup_watch;
    struct csb__watch cancel_watch;
};

#define CSB__LOOP_INIT                                                                             \
    {                                                                                              \
        CSB__POLLER_INIT, {-1, -1}, {NULL, NULL}, {                                                \
            NULL, NULL                                                                             \
        }                                                                                          \
    }

/* It must not be moved from then on, and is to be closed in either case. */
int csb__loop_open(struct csb__loop *loop, struct csb__env *env, csb_error **err);
void csb__loop_close(struct csb__loop *loop);
/* Waits for something to do, and has it done. */
int csb__loop_run(struct csb__loop *loop, int timeout_ms, csb_error **err);
/* Async-signal-safe. */
void csb__loop_wakeup(struct csb__loop *loop);

#endif
