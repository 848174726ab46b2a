/* SPDX-License-Identifier: MIT */
/* All that allocates happens before fork(); the child makes async-signal-safe calls only. */
#include "core/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/posix.h"
#include "core/process.h"

extern char **environ;

static bool is_program(const char *path) {
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

char *csb__find_program(const char *name) {
    const char *path = getenv("PATH");
    const char *end;

    if (strchr(name, '/')) {
        return is_program(name) ? strdup(name) : NULL;
    }
    for (path = path ? path : "/usr/bin:/bin"; path; path = *end ? end + 1 : NULL) {
        CSB__AUTOFREE char *candidate = NULL;

        end = path + strcspn(path, ":");
        /* An empty entry means the current directory: never a place to take programs from. */
        if (*path != '/' || asprintf(&candidate, "%.*s/%s", (int)(end - path), path, name) < 0) {
            candidate = NULL;
            continue;
        }
        if (is_program(candidate)) {
            return CSB__STEAL(candidate);
        }
    }
    return NULL;
}

static void reset_signals(void) {
    sigset_t none;

    for (int sig = 1; sig < NSIG; sig++) {
        signal(sig, SIG_DFL);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Moves the three streams to 0, 1 and 2, first out of each other's way. */
static int place_stdio(const int stdio[3]) {
    int high[3];

    for (int i = 0; i < 3; i++) {
        high[i] = fcntl(stdio[i], F_DUPFD_CLOEXEC, 3);
        if (high[i] < 0) {
            return -1;
        }
    }
    for (int i = 0; i < 3; i++) {
        if (dup2(high[i], i) < 0) {
            return -1;
        }
    }
    return 0;
}

static void child_exec(const struct csb__spawn *s, const char *program, int report_fd) {
    /* Where a standard stream was closed the pipe has its number, and would be overwritten. */
    int high = fcntl(report_fd, F_DUPFD_CLOEXEC, 3);
    int e;

    report_fd = high >= 0 ? high : report_fd;
    reset_signals();
    if ((!s->new_group || setpgid(0, 0) == 0) && place_stdio(s->stdio) == 0 &&
        (!s->cwd || chdir(s->cwd) == 0)) {
        execve(program, (char *const *)s->argv, s->envp ? (char *const *)s->envp : environ);
    }
    e = errno;
    (void)!write(report_fd, &e, sizeof(e));
    _exit(127);
}

/* A few bytes that come at once or not at all. */
static bool read_whole(int fd, void *buf, size_t size) {
    ssize_t n;

    do {
        n = read(fd, buf, size);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)size;
}

/* 0 when exec worked (the pipe closed without a word), else the child's errno. */
static int read_report(int fd) {
    int e;

    return read_whole(fd, &e, sizeof(e)) ? e : 0;
}

static void reap(pid_t pid) {
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

/* What to give to exec: a path is not looked for, so that exec says what is wrong with it. */
static char *locate(const char *name) {
    return strchr(name, '/') ? strdup(name) : csb__find_program(name);
}

static int fail_exec(const char *program, int e, csb_error **err) {
    return csb__fail_errno(err, e, "can't run %s", program);
}

/* No signal may reach the child while it still has our handlers. */
static pid_t fork_quietly(sigset_t *old) {
    sigset_t all;
    pid_t pid;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, old);
    pid = fork();
    if (pid != 0) {
        int saved = errno;

        pthread_sigmask(SIG_SETMASK, old, NULL);
        errno = saved;
    }
    return pid;
}

int csb__spawn(const struct csb__spawn *s, pid_t *ret, csb_error **err) {
    CSB__AUTOFREE char *program = locate(s->argv[0]);
    CSB__AUTOCLOSE int report = -1;
    int fds[2];
    sigset_t old;
    pid_t pid;
    int e;

    if (!program) {
        return fail_exec(s->argv[0], ENOENT, err);
    }
    if (csb__pipe(fds) != 0) {
        return csb__fail_errno(err, errno, "can't make a pipe");
    }
    report = fds[0];
    pid = fork_quietly(&old);
    if (pid == 0) {
        child_exec(s, program, fds[1]);
    }
    e = errno;
    close(fds[1]);
    if (pid < 0) {
        return csb__fail_errno(err, e, "can't start %s", program);
    }
    e = read_report(report);
    if (e != 0) {
        reap(pid);
        return fail_exec(program, e, err);
    }
    *ret = pid;
    return 0;
}

/* The middle process: leaves our session, starts the one that stays, tells its pid, ends. */
static void detach_and_exec(const struct csb__detached *d, const char *program, int null_fd,
                            int report_fd, int pid_fd) {
    struct csb__spawn s = {.argv = d->argv, .stdio = {null_fd, d->log_fd, d->log_fd}};
    pid_t pid;

    setsid();
    pid = fork();
    if (pid == 0) {
        for (size_t i = 0; i < d->n_keep; i++) {
            fcntl(d->keep_fds[i], F_SETFD, 0);
        }
        child_exec(&s, program, report_fd);
    }
    (void)!write(pid_fd, &pid, sizeof(pid));
    _exit(pid < 0);
}

int csb__spawn_detached(const struct csb__detached *d, pid_t *ret, csb_error **err) {
    CSB__AUTOFREE char *program = locate(d->argv[0]);
    CSB__AUTOCLOSE int null_fd = csb__open("/dev/null", O_RDWR, 0);
    int report[2] = {-1, -1};
    int pids[2] = {-1, -1};
    pid_t grandchild = -1;
    sigset_t old;
    pid_t pid;
    int e = 0;

    if (!program) {
        return fail_exec(d->argv[0], ENOENT, err);
    }
    if (null_fd < 0 || csb__pipe(report) != 0 || csb__pipe(pids) != 0) {
        e = errno;
        csb__cleanup_close(&report[0]);
        csb__cleanup_close(&report[1]);
        return csb__fail_errno(err, e, "can't make a pipe");
    }
    pid = fork_quietly(&old);
    if (pid == 0) {
        detach_and_exec(d, program, null_fd, report[1], pids[1]);
    }
    close(report[1]);
    close(pids[1]);
    if (pid > 0) {
        reap(pid);
        if (!read_whole(pids[0], &grandchild, sizeof(grandchild))) {
            grandchild = -1;
        }
        e = read_report(report[0]);
    }
    close(report[0]);
    close(pids[0]);
    if (pid < 0 || grandchild < 0 || e != 0) {
        return fail_exec(program, e ? e : EAGAIN, err);
    }
    *ret = grandchild;
    return 0;
}
