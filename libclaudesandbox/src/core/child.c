/* SPDX-License-Identifier: MIT */
#include "core/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "core/posix.h"
#include "core/spawn.h"

#define GRACE_MS 2000
/* How often to look after a child where nothing wakes us when it ends. */
#define SLICE_MS 50

/* Gives the child's side of one stream: an fd of ours, /dev/null, or the end of a new pipe whose
 * other end lands in *mine. */
static int stream_open(int want, bool reading, int *mine, int *theirs, bool *close_theirs) {
    int fds[2];

    *close_theirs = want < 0;
    if (want >= 0) {
        *theirs = want;
        return 0;
    }
    if (want == CSB__FD_NULL) {
        *theirs = csb__open("/dev/null", O_RDWR, 0);
        return *theirs < 0 ? -1 : 0;
    }
    if (csb__pipe(fds) != 0) {
        return -1;
    }
    *mine = fds[reading ? 1 : 0];
    *theirs = fds[reading ? 0 : 1];
    return 0;
}

static int start(const struct csb__run *run, struct csb__child *c, csb_error **err) {
    int want[3] = {run->input ? CSB__FD_CAPTURE : run->stdin_fd, run->stdout_fd, run->stderr_fd};
    struct csb__spawn spawn = {.argv = run->argv,
                               .envp = run->envp,
                               .cwd = run->cwd,
                               .new_group = !c->foreground,
                               .stdio = {-1, -1, -1}};
    bool to_close[3] = {false, false, false};
    int rc = 0;

    for (int i = 0; i < 3 && rc == 0; i++) {
        if (stream_open(want[i], i == 0, &c->stdio[i], &spawn.stdio[i], &to_close[i]) != 0) {
            rc = csb__fail_errno(err, errno, "can't make a pipe");
        }
    }
    if (rc == 0) {
        rc = csb__spawn(&spawn, &c->pid, err);
    }
    for (int i = 0; i < 3; i++) {
        if (to_close[i]) {
            csb__fd_close(&spawn.stdio[i]);
        }
    }
    if (rc == 0) {
        c->done = false;
        c->exit_fd = csb__child_fd(c->pid);
    }
    return rc;
}

int csb__child_start(struct csb__env *env, const struct csb__run *run, struct csb__child *ret,
                     csb_error **err) {
    struct csb__child c = CSB__CHILD_INIT;
    int rc;

    c.foreground = run->flags & CSB__RUN_FOREGROUND;
    csb__log(env, CSB_LOG_DEBUG, "run: %s %s %s ...", run->argv[0],
             run->argv[1] ? run->argv[1] : "", run->argv[1] && run->argv[2] ? run->argv[2] : "");
    rc = env->runner ? env->runner->start(env, run, &c, err) : start(run, &c, err);
    if (rc != 0) {
        csb__child_close(&c);
        return rc;
    }
    *ret = c;
    return 0;
}

int csb__child_unblock(struct csb__child *c, csb_error **err) {
    for (int i = 0; i < 3; i++) {
        if (c->stdio[i] >= 0 && fcntl(c->stdio[i], F_SETFL, O_NONBLOCK) != 0) {
            csb__fail_errno(err, errno, "can't prepare a pipe");
            csb__child_end(c);
            return CSB_ESYSTEM;
        }
    }
    return 0;
}

static void reap(struct csb__child *c, int flags) {
    pid_t pid;

    if (c->done) {
        return;
    }
    do {
        pid = waitpid(c->pid, &c->wstatus, flags);
    } while (pid < 0 && errno == EINTR);
    if (pid != 0) {
        c->done = true;
    }
}

bool csb__child_ended(struct csb__child *c) {
    reap(c, WNOHANG);
    return c->done;
}

int csb__child_slice(const struct csb__child *c, int64_t left) {
    if (left > INT_MAX) {
        left = INT_MAX;
    }
    return c->exit_fd < 0 && left > SLICE_MS ? SLICE_MS : (int)left;
}

int csb__child_wait(struct csb__env *env, struct csb__child *c, int64_t deadline, const char *what,
                    csb_error **err) {
    while (!csb__child_ended(c)) {
        int64_t left = deadline < 0 ? INT_MAX : deadline - csb__now_ms();
        struct pollfd p[2] = {
            {.fd = c->exit_fd, .events = POLLIN},
            {.fd = env->shielded ? -1 : env->cancel_pipe[0], .events = POLLIN},
        };
        int rc = csb__env_check(env, what, err);

        if (rc == 0 && left <= 0) {
            rc = csb__fail(err, CSB_ETIMEOUT, "timed out while %s", what);
        }
        if (rc != 0) {
            return rc;
        }
        poll(p, 2, csb__child_slice(c, left));
    }
    return 0;
}

static void signal_child(const struct csb__child *c, int signo) {
    kill(c->foreground ? c->pid : -c->pid, signo);
}

void csb__child_end(struct csb__child *c) {
    int64_t until = csb__now_ms() + GRACE_MS;

    if (csb__child_ended(c)) {
        return;
    }
    for (signal_child(c, SIGTERM); !csb__child_ended(c) && csb__now_ms() < until;) {
        struct pollfd p = {.fd = c->exit_fd, .events = POLLIN};

        poll(&p, 1, c->exit_fd >= 0 ? GRACE_MS : 10);
    }
    /* Also what it left in its group. */
    if (!c->done || !c->foreground) {
        signal_child(c, SIGKILL);
    }
    reap(c, 0);
}

void csb__child_kill(struct csb__child *c) {
    if (!csb__child_ended(c)) {
        signal_child(c, SIGKILL);
        reap(c, 0);
    }
}

void csb__child_close(struct csb__child *c) {
    for (int i = 0; i < 3; i++) {
        csb__fd_close(&c->stdio[i]);
    }
    csb__fd_close(&c->exit_fd);
}

int csb__child_signo(const struct csb__child *c) {
    return WIFSIGNALED(c->wstatus) ? WTERMSIG(c->wstatus) : 0;
}

int csb__child_status(const struct csb__child *c) {
    int signo = csb__child_signo(c);

    return signo ? 128 + signo : WEXITSTATUS(c->wstatus);
}
