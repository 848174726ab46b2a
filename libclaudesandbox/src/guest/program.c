/* SPDX-License-Identifier: MIT */
#include "guest/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/path.h"
#include "core/posix.h"
#include "guest/script.h"
#include "guest/ssh.h"

#define GREETING_MS 60000
#define GREETING_MAX 65536
/* TERM and KILL take the guest four seconds at most; else it hangs. */
#define END_MS 10000
/* How long an ssh may go on when what it carried has ended: it may have output to write. */
#define REST_MS 1000
/* The same and those four seconds, where the keeper is behind that ssh. */
#define KEPT_END_MS 5000
#define BREAK_MS 100

/* One read of what there is now; 0 at the end. */
static ssize_t take(int fd, struct csb__strbuf *to) {
    char buf[4096];
    ssize_t n = read(fd, buf, sizeof(buf));

    if (n > 0) {
        csb__strbuf_add(to, buf, (size_t)n);
    }
    return n;
}

static int fail_keeper(struct csb__env *env, struct csb__child *k, struct csb__run_result *said,
                       csb_error **err) {
    (void)csb__child_wait(env, k, csb__now_ms() + REST_MS, "ssh", NULL);
    csb__child_end(k);
    while (said->errout.len < GREETING_MAX && take(k->stdio[2], &said->errout) > 0) {
    }
    said->status = csb__child_status(k);
    if (said->status == 255) {
        return csb__ssh_fail(said, "the connection to the VM failed", err);
    }
    csb__fail(err, CSB_EENGINE, "the VM takes no program");
    csb__error_set_child(err, said->status, csb__strbuf_text(&said->errout), said->errout.len);
    return CSB_EENGINE;
}

/* One wait for the keeper: hands it what is left of the environment, and hears what it says. -1 when
 * it says no more. */
static int attend(struct csb__env *env, struct csb__child *k, const char **left, int ms,
                  struct csb__run_result *said) {
    struct pollfd p[4] = {
        {.fd = **left ? k->stdio[0] : -1, .events = POLLOUT},
        {.fd = k->stdio[1], .events = POLLIN},
        {.fd = k->stdio[2], .events = POLLIN},
        {.fd = env->cancel_pipe[0], .events = POLLIN},
    };
    ssize_t n;

    if (poll(p, 4, ms) <= 0) {
        return 0;
    }
    if (p[0].revents) {
        n = csb__write(k->stdio[0], *left, strlen(*left));
        *left += n > 0 ? n : 0;
    }
    if (p[2].revents && take(k->stdio[2], &said->errout) == 0) {
        csb__fd_close(&k->stdio[2]);
    }
    csb__strbuf_keep_tail(&said->errout, GREETING_MAX);
    n = p[1].revents ? take(k->stdio[1], &said->out) : 1;
    return n == 0 || said->out.len > GREETING_MAX ? -1 : 0;
}

/* Waits until the keeper is at its post. Whatever else a shell has to say when it begins may come
 * before. */
static int greet(struct csb__env *env, struct csb__child *k, const struct csb__program_options *o,
                 csb_error **err) {
    CSB__AUTORESULT said = {0};
    int64_t deadline = csb__env_deadline(env, GREETING_MS);
    const char *left = o->stash ? o->stash : "";

    while (!strstr(csb__strbuf_text(&said.out), o->token)) {
        int64_t ms = deadline - csb__now_ms();
        int rc = csb__env_check(env, "waiting for the VM to take a program", err);

        if (rc == 0 && ms <= 0) {
            rc = csb__fail(err, CSB_ETIMEOUT, "the VM does not take a program");
        }
        if (rc == 0 && (said.out.failed || said.errout.failed)) {
            rc = csb__fail_nomem(err);
        }
        if (rc != 0) {
            return rc;
        }
        if (attend(env, k, &left, (int)ms, &said) != 0) {
            return fail_keeper(env, k, &said, err);
        }
    }
    return 0;
}

static int start_keeper(struct csb__env *env, const struct csb__door *door,
                        const struct csb__program_options *o, struct csb__child *ret,
                        csb_error **err) {
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTOSTRV argv = CSB__STRV_INIT;
    struct csb__run run = CSB__RUN_INIT;
    int rc;

    csb__keeper_script(&script, o->token, o->stash ? strlen(o->stash) : 0);
    csb__ssh_argv(&argv, door);
    csb__strv_add(&argv, "-T");
    csb__strv_add(&argv, "-e");
    csb__strv_add(&argv, "none");
    csb__strv_add(&argv, door->ssh_host);
    csb__strv_add(&argv, "--");
    csb__strv_add(&argv, csb__strbuf_text(&script));
    if (script.failed || argv.failed) {
        return csb__fail_nomem(err);
    }
    run.argv = csb__strv_items(&argv);
    run.input = o->stash ? o->stash : "";
    run.input_len = strlen(run.input);
    rc = csb__child_start(env, &run, ret, err);
    if (rc == 0) {
        rc = csb__child_unblock(ret, err);
    }
    return rc == 0 && (o->stash || !o->at_once) ? greet(env, ret, o, err) : rc;
}

static int make_log(struct csb__env *env, char **ret, csb_error **err) {
    CSB__AUTOFREE char *dir = csb__path_join(env->state_dir, "run");
    char digits[17];
    int rc;

    if (!dir || csb__random_hex(digits, 16) != 0 ||
        asprintf(ret, "%s/ssh-%s.log", dir, digits) < 0) {
        *ret = NULL;
        return csb__fail_nomem(err);
    }
    rc = csb__mkdirs(dir, err);
    return rc;
}

static void program_argv(struct csb__strv *argv, const struct csb__door *door,
                         const struct csb__program_options *o, const char *log) {
    csb__ssh_argv(argv, door);
    csb__strv_add(argv, "-E");
    csb__strv_add(argv, log);
    csb__strv_add(argv, o->tty ? "-tt" : "-T");
    /* Without a terminal "~." in what is piped in is data. */
    if (!o->tty) {
        csb__strv_add(argv, "-e");
        csb__strv_add(argv, "none");
    }
    csb__strv_add(argv, door->ssh_host);
    csb__strv_add(argv, "--");
    csb__strv_add(argv, o->script);
}

static int start_ssh(struct csb__env *env, const struct csb__door *door,
                     const struct csb__program_options *o, struct csb__program *p,
                     csb_error **err) {
    CSB__AUTOSTRV argv = CSB__STRV_INIT;
    struct csb__run run = CSB__RUN_INIT;
    int rc = make_log(env, &p->log, err);

    if (rc != 0) {
        return rc;
    }
    program_argv(&argv, door, o, p->log);
    if (argv.failed) {
        return csb__fail_nomem(err);
    }
    run.argv = csb__strv_items(&argv);
    run.stdin_fd = o->kept && !o->tty ? CSB__FD_CAPTURE : o->stdio[0];
    run.stdout_fd = o->stdio[1];
    run.stderr_fd = o->stdio[2];
    /* On a terminal it must be in front to read; Ctrl-C is not for it where there is none. */
    for (int i = 0; i < 3; i++) {
        run.flags |= o->stdio[i] >= 0 && isatty(o->stdio[i]) ? CSB__RUN_FOREGROUND : 0;
    }
    rc = csb__child_start(env, &run, &p->ssh, err);
    if (rc == 0 && o->kept && !o->tty) {
        p->keeper.stdio[0] = p->ssh.stdio[0];
        p->ssh.stdio[0] = -1;
        (void)fcntl(p->keeper.stdio[0], F_SETFL, O_NONBLOCK);
    }
    return rc;
}

int csb__program_start(struct csb__env *env, const struct csb__door *door,
                       const struct csb__program_options *o, struct csb__program *ret,
                       csb_error **err) {
    struct csb__program p = CSB__PROGRAM_INIT;
    int rc = 0;

    p.kept = o->kept;
    if (o->kept) {
        p.line = csb__unix_connect(door->control_path);
    } else {
        rc = start_keeper(env, door, o, &p.keeper, err);
    }
    if (rc == 0) {
        rc = start_ssh(env, door, o, &p, err);
    }
    if (rc != 0) {
        csb__program_finish(&p);
        return rc;
    }
    *ret = p;
    return 0;
}

/* Whether the master at its other end has closed it. What that says is of no interest. */
static bool is_line_cut(int fd, int wait_ms) {
    int64_t until = csb__now_ms() + wait_ms;
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    int64_t left;
    char buf[256];
    ssize_t n;

    if (fd < 0) {
        return false;
    }
    do {
        n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno == ECONNRESET)) {
            return true;
        }
        left = until - csb__now_ms(); /* less than nothing would be forever to poll() */
    } while (n > 0 || (left > 0 && poll(&poller, 1, (int)left) > 0));
    return false;
}

/* A connection that breaks takes all with it that it carried, but not in the same moment. */
static bool is_cut(struct csb__program *p, int wait_ms) {
    struct pollfd poller = {.fd = p->keeper.exit_fd, .events = POLLIN};

    if (p->kept) {
        return is_line_cut(p->line, wait_ms);
    }
    if (wait_ms > 0 && !csb__child_ended(&p->keeper)) {
        poll(&poller, 1, wait_ms);
    }
    return csb__child_ended(&p->keeper);
}

/* 255 is ssh's own failure or the program's status: ssh tells in its log, which is otherwise
 * empty at this level. */
static int read_verdict(struct csb__env *env, struct csb__program *p, int *status,
                        csb_error **err) {
    int signo = csb__child_signo(&p->ssh);
    int own = csb__child_status(&p->ssh);

    if (own == 255 && p->sad.errout.len == 0) {
        csb__read_file(p->log, 8192, &p->sad.errout);
    }
    if (p->sad.errout.len > 0) {
        p->sad.status = own;
        return csb__ssh_fail(&p->sad, "the connection to the VM broke", err);
    }
    if (signo != 0) {
        /* Ctrl-C on a terminal reaches it too; it is we who were cancelled. */
        int rc = csb__env_check(env, "ssh", err);

        return rc ? rc : csb__fail(err, CSB_EENGINE, "ssh was ended by signal %d", signo);
    }
    if (own == 255 && p->killed) {
        *status = 128 + SIGKILL;
        return 0;
    }
    if (own != 0 && !p->over && (own == 255 || is_cut(p, 0)) && is_cut(p, BREAK_MS)) {
        return csb__fail(err, CSB_EENGINE, "the connection to the VM broke");
    }
    *status = own;
    return 0;
}

int csb__program_wait(struct csb__env *env, struct csb__program *p, int timeout_ms, int *status,
                      csb_error **err) {
    int64_t deadline = csb__env_deadline(env, timeout_ms);
    int rc = csb__child_wait(env, &p->ssh, deadline, "waiting for the program to end", err);

    if (rc != 0) {
        return rc;
    }
    rc = read_verdict(env, p, status, err);
    if (rc == 0) {
        p->over = true;
    }
    /* Whatever it is that ended: its keeper sees to the rest. */
    csb__fd_close(&p->keeper.stdio[0]);
    return rc;
}

int csb__program_signal(struct csb__program *p, int signo, csb_error **err) {
    const char *name = csb__signal_name(signo);
    char line[16];
    int n;

    if (!name) {
        return csb__fail(err, CSB_EINVAL, "signal %d is none that a VM knows", signo);
    }
    if (p->over || csb__child_ended(&p->ssh)) {
        return 0;
    }
    n = snprintf(line, sizeof(line), "%s\n", name);
    if (csb__write(p->keeper.stdio[0], line, (size_t)n) != n) {
        return csb__fail_errno(err, errno, "the VM takes no signal");
    }
    p->killed |= signo == SIGKILL;
    return 0;
}

void csb__program_end(struct csb__env *env, struct csb__program *p) {
    int64_t saved = csb__env_shield(env, END_MS);

    if (!p->over && p->keeper.stdio[0] >= 0) {
        (void)csb__write(p->keeper.stdio[0], CSB__KEEPER_END, strlen(CSB__KEEPER_END));
        csb__fd_close(&p->keeper.stdio[0]);
        (void)csb__child_wait(env, &p->keeper, csb__now_ms() + END_MS, "ending the program", NULL);
        (void)csb__child_wait(env, &p->ssh, csb__now_ms() + (p->kept ? KEPT_END_MS : REST_MS),
                              "ending ssh", NULL);
    }
    /* A keeper that has a terminal hears nothing but that ssh is gone. */
    if (!p->over) {
        csb__child_end(&p->ssh);
        p->over = true;
    }
    csb__env_unshield(env, saved);
}

void csb__program_finish(struct csb__program *p) {
    csb__fd_close(&p->keeper.stdio[0]);
    csb__child_kill(&p->keeper);
    csb__child_end(&p->ssh);
    csb__child_close(&p->keeper);
    csb__child_close(&p->ssh);
    csb__fd_close(&p->line);
    if (p->log) {
        unlink(p->log);
    }
    free(p->log);
    csb__run_result_free(&p->sad);
    *p = (struct csb__program)CSB__PROGRAM_INIT;
}
