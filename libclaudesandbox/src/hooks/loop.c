/* SPDX-License-Identifier: MIT */
#include "hooks/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/posix.h"

#define READY_MAX 64

static void drain_wakeup(void *owner) {
    struct csb__loop *loop = owner;
    char buf[64];

    while (read(loop->wakeup[0], buf, sizeof(buf)) > 0) {
    }
}

/* csb__env_check() takes it. */
static void leave_cancel(void *owner) {
    (void)owner;
}

int csb__loop_open(struct csb__loop *loop, struct csb__env *env, csb_error **err) {
    loop->wakeup_watch = (struct csb__watch){drain_wakeup, loop};
    loop->cancel_watch = (struct csb__watch){leave_cancel, loop};
    if (csb__pipe(loop->wakeup) != 0 || fcntl(loop->wakeup[0], F_SETFL, O_NONBLOCK) != 0 ||
        fcntl(loop->wakeup[1], F_SETFL, O_NONBLOCK) != 0 || csb__poller_open(&loop->poller) != 0 ||
        csb__poller_set(&loop->poller, loop->wakeup[0], 0, CSB__POLL_IN, &loop->wakeup_watch) !=
            0 ||
        csb__poller_set(&loop->poller, env->cancel_pipe[0], 0, CSB__POLL_IN, &loop->cancel_watch) !=
            0) {
        return csb__fail_errno(err, errno, "can't wait for hooks");
    }
    return 0;
}

void csb__loop_close(struct csb__loop *loop) {
    csb__poller_close(&loop->poller);
    csb__cleanup_close(&loop->wakeup[0]);
    csb__cleanup_close(&loop->wakeup[1]);
    *loop = (struct csb__loop)CSB__LOOP_INIT;
}

int csb__loop_run(struct csb__loop *loop, int timeout_ms, csb_error **err) {
    void *ready[READY_MAX];
    int n = csb__poller_wait(&loop->poller, timeout_ms, ready, READY_MAX);

    if (n < 0 && errno != EINTR) {
        return csb__fail_errno(err, errno, "can't wait for hooks");
    }
    for (int i = 0; i < n; i++) {
        const struct csb__watch *watch = ready[i];

        watch->ready(watch->owner);
    }
    return 0;
}

void csb__loop_wakeup(struct csb__loop *loop) {
    int saved = errno;

    /* A full pipe has woken it before. */
    (void)!write(loop->wakeup[1], "x", 1);
    errno = saved;
}
