/* SPDX-License-Identifier: MIT */
#include "core/env.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/path.h"
#include "core/posix.h"

int csb__env_init(struct csb__env *env, csb_error **err) {
    env->deadline = -1;
    env->cancel_pipe[0] = env->cancel_pipe[1] = -1;
    if (csb__pipe(env->cancel_pipe) != 0) {
        return csb__fail_errno(err, errno, "can't make a pipe");
    }
    /* One that blocks would have every look for a cancel wait for it. */
    if (fcntl(env->cancel_pipe[0], F_SETFL, O_NONBLOCK) != 0 ||
        fcntl(env->cancel_pipe[1], F_SETFL, O_NONBLOCK) != 0) {
        return csb__fail_errno(err, errno, "can't make a pipe");
    }
    return 0;
}

void csb__env_finish(struct csb__env *env) {
    free(env->state_dir);
    free(env->limactl);
    free(env->guest_dir);
    csb__cleanup_close(&env->cancel_pipe[0]);
    csb__cleanup_close(&env->cancel_pipe[1]);
}

/* It lies beside the image's recipe in a build tree that says so, else where it was installed. */
char *csb__env_helper(const struct csb__env *env) {
    char *path = env->guest_dir ? csb__path_existing(env->guest_dir, "csb-guest") : NULL;

    return path || !env->guest_dir ? path : csb__path_existing(CSB__LIBEXEC_DIR, "csb-guest");
}

void csb__env_begin(struct csb__env *env, int default_ms) {
    int ms = env->timeout_ms != 0 ? env->timeout_ms : default_ms;

    env->deadline = ms < 0 ? -1 : csb__now_ms() + ms;
}

/* The pipe alone says so: with a flag beside it there would be a moment in which they differ. What
 * it says is consumed, for one cancel ends one call. */
static bool take_cancel(struct csb__env *env) {
    char buf[64];
    bool any = false;

    while (read(env->cancel_pipe[0], buf, sizeof(buf)) > 0) {
        any = true;
    }
    return any;
}

int csb__env_check(struct csb__env *env, const char *what, csb_error **err) {
    if (env->shielded == 0 && take_cancel(env)) {
        return csb__fail(err, CSB_ECANCELED, "cancelled");
    }
    if (env->deadline >= 0 && csb__now_ms() >= env->deadline) {
        return csb__fail(err, CSB_ETIMEOUT, "timed out while %s", what);
    }
    return 0;
}

int64_t csb__env_deadline(const struct csb__env *env, int ms) {
    int64_t own = ms < 0 ? -1 : csb__now_ms() + ms;

    if (own < 0 || (env->deadline >= 0 && env->deadline < own)) {
        return env->deadline;
    }
    return own;
}

int csb__env_wait(struct csb__env *env, int ms, const char *what, csb_error **err) {
    struct pollfd pfd = {.fd = env->shielded ? -1 : env->cancel_pipe[0], .events = POLLIN};
    int64_t until = csb__env_deadline(env, ms);
    int64_t left = until - csb__now_ms();

    if (left > 0) {
        poll(&pfd, 1, (int)left);
    }
    return csb__env_check(env, what, err);
}

int64_t csb__env_shield(struct csb__env *env, int ms) {
    int64_t saved = env->deadline;

    env->shielded++;
    env->deadline = csb__now_ms() + ms;
    return saved;
}

void csb__env_unshield(struct csb__env *env, int64_t deadline) {
    env->shielded--;
    env->deadline = deadline;
}

void csb__env_cancel(struct csb__env *env) {
    int saved = errno;

    /* A full pipe is readable already, which is all it is for. */
    (void)!write(env->cancel_pipe[1], "x", 1);
    errno = saved;
}

void csb__log(struct csb__env *env, int level, const char *fmt, ...) {
    char *text = NULL;
    va_list ap;

    if (!env->log) {
        return;
    }
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) >= 0) {
        env->log(level, text, env->log_userdata);
        free(text);
    }
    va_end(ap);
}

void csb__progress(struct csb__env *env, int step, int steps, const char *text) {
    if (env->progress) {
        env->progress(step, steps, text, env->progress_userdata);
    } else {
        csb__log(env, CSB_LOG_INFO, "%s", text);
    }
}
