/* SPDX-License-Identifier: MIT */
#include "core/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/posix.h"
#include "core/spawn.h"

#define STDOUT_MAX ((size_t)16 << 20)
#define STDERR_TAIL 8192
#define STDOUT_TAIL 8192
#define PIPE_MAX ((size_t)1 << 20)
#define GRACE_MS 2000
/* How often to look after a child where nothing wakes us when it ends. */
#define SLICE_MS 50

struct child {
    const struct csb__run *run;
    struct csb__run_result *ret;
    pid_t pid;
    int exit_fd; /* csb__child_fd() */
    int in;      /* our ends of its pipes; -1 when closed */
    int out;
    int errout;
    size_t written;
    size_t line_start;
    bool done;
    int wstatus;
};

void csb__run_result_free(struct csb__run_result *r) {
    csb__strbuf_free(&r->out);
    csb__strbuf_free(&r->errout);
}

static void close_fd(int *fd) {
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

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
    fcntl(*mine, F_SETFL, O_NONBLOCK);
    return 0;
}

static int child_start(struct child *c, csb_error **err) {
    const struct csb__run *run = c->run;
    int want[3] = {run->input ? CSB__FD_CAPTURE : run->stdin_fd, run->stdout_fd, run->stderr_fd};
    int *mine[3] = {&c->in, &c->out, &c->errout};
    struct csb__spawn spawn = {.argv = run->argv,
                               .envp = run->envp,
                               .cwd = run->cwd,
                               .new_group = !(run->flags & CSB__RUN_FOREGROUND),
                               .stdio = {-1, -1, -1}};
    bool to_close[3] = {false, false, false};
    int rc = 0;

    for (int i = 0; i < 3 && rc == 0; i++) {
        if (stream_open(want[i], i == 0, mine[i], &spawn.stdio[i], &to_close[i]) != 0) {
            rc = csb__fail_errno(err, errno, "can't make a pipe");
        }
    }
    if (rc == 0) {
        rc = csb__spawn(&spawn, &c->pid, err);
    }
    for (int i = 0; i < 3; i++) {
        if (to_close[i]) {
            close_fd(&spawn.stdio[i]);
        }
    }
    if (rc == 0) {
        c->exit_fd = csb__child_fd(c->pid);
    }
    return rc;
}

static void feed_input(struct child *c) {
    size_t left = c->run->input_len - c->written;
    ssize_t n = left ? csb__write(c->in, (const char *)c->run->input + c->written, left) : 0;

    if (n > 0) {
        c->written += (size_t)n;
    }
    /* A child that does not read to the end has its reasons. */
    if (c->written == c->run->input_len || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        close_fd(&c->in);
    }
}

static void report_lines(struct child *c) {
    struct csb__strbuf *out = &c->ret->out;
    char *nl;

    while (c->run->on_line && !out->failed && out->len > c->line_start &&
           (nl = memchr(out->data + c->line_start, '\n', out->len - c->line_start))) {
        *nl = '\0';
        c->run->on_line(out->data + c->line_start, c->run->userdata);
        *nl = '\n';
        c->line_start = (size_t)(nl - out->data) + 1;
    }
}

/* stdout_max is then for what has no end of line. */
static void forget_lines(struct child *c) {
    if ((c->run->flags & CSB__RUN_TAIL) && c->line_start > STDOUT_TAIL) {
        csb__strbuf_keep_tail(&c->ret->out, c->ret->out.len - (c->line_start - STDOUT_TAIL));
        c->line_start = STDOUT_TAIL;
    }
}

/* What is there, but no more than a pipe holds: one that is filled as fast as we read must not keep
 * us from the clock. */
static int drain(struct child *c, int *fd, struct csb__strbuf *to, csb_error **err) {
    size_t max = c->run->stdout_max ? c->run->stdout_max : STDOUT_MAX;
    char buf[16384];

    for (size_t i = 0; *fd >= 0 && i < PIPE_MAX / sizeof(buf); i++) {
        ssize_t n = read(*fd, buf, sizeof(buf));

        if (n == 0) {
            close_fd(fd);
            return 0;
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            if (errno != EAGAIN) {
                close_fd(fd);
            }
            return 0;
        }
        csb__strbuf_add(to, buf, (size_t)n);
        if (to == &c->ret->errout) {
            csb__strbuf_keep_tail(to, STDERR_TAIL);
        } else if (to->len > max) {
            return csb__fail(err, CSB_EPROTOCOL, "%s wrote more than %zu bytes", c->run->argv[0],
                             max);
        }
    }
    return 0;
}

static int drain_both(struct child *c, csb_error **err) {
    int rc = drain(c, &c->out, &c->ret->out, err);

    report_lines(c);
    forget_lines(c);
    return rc != 0 ? rc : drain(c, &c->errout, &c->ret->errout, err);
}

static void try_reap(struct child *c, int flags) {
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

/* One wait for whatever comes first. */
static void wait_event(struct child *c, struct csb__env *env, int64_t deadline) {
    int64_t left = deadline < 0 ? INT_MAX : deadline - csb__now_ms();
    struct pollfd p[5] = {
        {.fd = c->in, .events = POLLOUT},
        {.fd = c->out, .events = POLLIN},
        {.fd = c->errout, .events = POLLIN},
        {.fd = c->exit_fd, .events = POLLIN},
        {.fd = env->shielded ? -1 : env->cancel_pipe[0], .events = POLLIN},
    };

    if (c->exit_fd < 0 && left > SLICE_MS) {
        left = SLICE_MS;
    }
    if (left > 0) {
        poll(p, 5, left > INT_MAX ? INT_MAX : (int)left);
    }
    if (c->in >= 0 && p[0].revents) {
        feed_input(c);
    }
}

static void signal_child(struct child *c, int signo) {
    kill(c->run->flags & CSB__RUN_FOREGROUND ? c->pid : -c->pid, signo);
}

/* TERM, some time to obey, KILL; always reaps. */
static void end_child(struct child *c) {
    int64_t until = csb__now_ms() + GRACE_MS;

    signal_child(c, SIGTERM);
    for (try_reap(c, WNOHANG); !c->done && csb__now_ms() < until; try_reap(c, WNOHANG)) {
        struct pollfd p = {.fd = c->exit_fd, .events = POLLIN};

        poll(&p, 1, c->exit_fd >= 0 ? GRACE_MS : 10);
    }
    /* Also what it left in its group. */
    if (!c->done || !(c->run->flags & CSB__RUN_FOREGROUND)) {
        signal_child(c, SIGKILL);
    }
    try_reap(c, 0);
}

static int check_time(struct child *c, struct csb__env *env, int64_t deadline, csb_error **err) {
    int rc = csb__env_check(env, c->run->argv[0], err);

    if (rc == 0 && deadline >= 0 && csb__now_ms() >= deadline) {
        rc = csb__fail(err, CSB_ETIMEOUT, "%s did not end within %d s", c->run->argv[0],
                       c->run->timeout_ms / 1000);
    }
    return rc;
}

static int communicate(struct child *c, struct csb__env *env, csb_error **err) {
    int64_t deadline = csb__env_deadline(env, c->run->timeout_ms > 0 ? c->run->timeout_ms : -1);
    int rc;

    for (;;) {
        rc = drain_both(c, err);
        if (rc != 0) {
            break;
        }
        try_reap(c, WNOHANG);
        if (c->done) {
            /* What it wrote before it ended is in the pipes; who else holds them doesn't matter. */
            rc = drain_both(c, err);
            break;
        }
        rc = check_time(c, env, deadline, err);
        if (rc != 0) {
            break;
        }
        wait_event(c, env, deadline);
    }
    if (!c->done) {
        end_child(c);
    }
    return rc;
}

static int run_child(struct csb__env *env, const struct csb__run *run, struct csb__run_result *ret,
                     csb_error **err) {
    struct child c = {.run = run, .ret = ret, .exit_fd = -1, .in = -1, .out = -1, .errout = -1};
    int rc = child_start(&c, err);

    if (rc == 0) {
        rc = communicate(&c, env, err);
    }
    close_fd(&c.in);
    close_fd(&c.out);
    close_fd(&c.errout);
    close_fd(&c.exit_fd);
    if (rc == 0 && WIFSIGNALED(c.wstatus)) {
        /* Ctrl-C on a terminal reaches a foreground child too; it is we who were cancelled. */
        rc = csb__env_check(env, run->argv[0], err);
    }
    if (rc == 0 && (ret->out.failed || ret->errout.failed)) {
        rc = csb__fail_nomem(err);
    }
    if (rc == 0) {
        ret->signo = WIFSIGNALED(c.wstatus) ? WTERMSIG(c.wstatus) : 0;
        ret->status = ret->signo ? 128 + ret->signo : WEXITSTATUS(c.wstatus);
    }
    return rc;
}

int csb__run(struct csb__env *env, const struct csb__run *run, struct csb__run_result *ret,
             csb_error **err) {
    int rc = csb__env_check(env, run->argv[0], err);

    if (rc != 0) {
        return rc;
    }
    csb__log(env, CSB_LOG_DEBUG, "run: %s %s %s ...", run->argv[0],
             run->argv[1] ? run->argv[1] : "", run->argv[1] && run->argv[2] ? run->argv[2] : "");
    if (env->runner) {
        return env->runner->run(env, run, ret, err);
    }
    return run_child(env, run, ret, err);
}
