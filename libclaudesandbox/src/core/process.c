/* SPDX-License-Identifier: MIT */
#include "core/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "core/child.h"
#include "core/posix.h"

#define STDOUT_MAX ((size_t)16 << 20)
#define STDERR_TAIL 8192
#define STDOUT_TAIL 8192
#define PIPE_MAX ((size_t)1 << 20)

struct child {
    const struct csb__run *run;
    struct csb__run_result *ret;
    struct csb__child proc;
    size_t written;
    size_t line_start;
    int64_t next_look; /* -1: none */
    bool enough;
};

void csb__run_result_free(struct csb__run_result *r) {
    csb__strbuf_free(&r->out);
    csb__strbuf_free(&r->errout);
}

static void feed_input(struct child *c) {
    size_t left = c->run->input_len - c->written;
    ssize_t n = left ? csb__write(c->proc.stdio[0], (const char *)c->run->input + c->written, left)
                     : 0;

    if (n > 0) {
        c->written += (size_t)n;
    }
    /* A child that does not read to the end has its reasons. */
    if (c->written == c->run->input_len || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        csb__fd_close(&c->proc.stdio[0]);
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
            csb__fd_close(fd);
            return 0;
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            if (errno != EAGAIN) {
                csb__fd_close(fd);
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
    int rc = drain(c, &c->proc.stdio[1], &c->ret->out, err);

    report_lines(c);
    forget_lines(c);
    return rc != 0 ? rc : drain(c, &c->proc.stdio[2], &c->ret->errout, err);
}

/* Whether what it is run for has come about. */
static bool look(struct child *c) {
    if (c->next_look >= 0 && csb__now_ms() >= c->next_look) {
        c->enough = c->run->enough(c->run->userdata);
        c->next_look = csb__now_ms() + c->run->enough_ms;
    }
    return c->enough;
}

/* One wait for whatever comes first. */
static void wait_event(struct child *c, struct csb__env *env, int64_t deadline) {
    int64_t until = deadline < 0 || (c->next_look >= 0 && c->next_look < deadline) ? c->next_look
                                                                                   : deadline;
    int64_t left = until < 0 ? INT_MAX : until - csb__now_ms();
    struct pollfd p[5] = {
        {.fd = c->proc.stdio[0], .events = POLLOUT},
        {.fd = c->proc.stdio[1], .events = POLLIN},
        {.fd = c->proc.stdio[2], .events = POLLIN},
        {.fd = c->proc.exit_fd, .events = POLLIN},
        {.fd = env->shielded ? -1 : env->cancel_pipe[0], .events = POLLIN},
    };

    if (left > 0) {
        poll(p, 5, csb__child_slice(&c->proc, left));
    }
    if (c->proc.stdio[0] >= 0 && p[0].revents) {
        feed_input(c);
    }
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
        if (csb__child_ended(&c->proc)) {
            /* What it wrote before it ended is in the pipes; who else holds them doesn't matter. */
            rc = drain_both(c, err);
            break;
        }
        rc = check_time(c, env, deadline, err);
        if (rc != 0 || look(c)) {
            break;
        }
        wait_event(c, env, deadline);
    }
    csb__child_end(&c->proc);
    return rc;
}

static int run_child(struct csb__env *env, const struct csb__run *run, struct csb__run_result *ret,
                     csb_error **err) {
    struct child c = {.run = run, .ret = ret, .proc = CSB__CHILD_INIT, .next_look = -1};
    int rc = csb__child_start(env, run, &c.proc, err);

    if (rc == 0) {
        rc = csb__child_unblock(&c.proc, err);
    }
    if (rc == 0) {
        c.next_look = run->enough ? csb__now_ms() + run->enough_ms : -1;
        rc = communicate(&c, env, err);
    }
    csb__child_close(&c.proc);
    if (rc == 0 && !c.enough && csb__child_signo(&c.proc) != 0) {
        /* Ctrl-C on a terminal reaches a foreground child too; it is we who were cancelled. */
        rc = csb__env_check(env, run->argv[0], err);
    }
    if (rc == 0 && (ret->out.failed || ret->errout.failed)) {
        rc = csb__fail_nomem(err);
    }
    if (rc == 0 && !c.enough) {
        ret->signo = csb__child_signo(&c.proc);
        ret->status = csb__child_status(&c.proc);
    }
    return rc;
}

int csb__run(struct csb__env *env, const struct csb__run *run, struct csb__run_result *ret,
             csb_error **err) {
    int rc = csb__env_check(env, run->argv[0], err);

    if (rc != 0) {
        return rc;
    }
    return env->runner ? env->runner->run(env, run, ret, err) : run_child(env, run, ret, err);
}
