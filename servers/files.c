/* SPDX-License-Identifier: MIT */
/* Where a server's files are: the lock that says who serves, the socket, the log. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

#define PATIENCE_MS 5000

static char *in_state_dir(const struct daemon *d, const char *dir, const char *suffix) {
    char *path;

    return asprintf(&path, "%s/%s/%s.%s", csb_ctx_state_dir(d->ctx), dir, d->program->name,
                    suffix) < 0
               ? NULL
               : path;
}

void daemon__forget_files(struct daemon *d) {
    csb_ctx_free(d->ctx);
    d->ctx = NULL;
    free(d->lock_path);
    free(d->ctl_path);
    free(d->log_path);
    d->lock_path = d->ctl_path = d->log_path = NULL;
}

static void log_warning(int level, const char *text, void *userdata) {
    if (level <= CSB_LOG_WARNING) {
        daemon_log(userdata, "%s", text);
    }
}

int daemon__find_files(struct daemon *d) {
    csb_ctx_options options = CSB_CTX_OPTIONS_INIT;
    csb_error *err = NULL;

    options.log = log_warning;
    options.log_userdata = d;
    if (csb_ctx_new(&options, &d->ctx, &err) != 0) {
        return daemon_fail_error(d, err);
    }
    d->lock_path = in_state_dir(d, "run", "lock");
    d->ctl_path = in_state_dir(d, "run", "ctl");
    d->log_path = in_state_dir(d, "log", "log");
    if (!d->lock_path || !d->ctl_path || !d->log_path) {
        return daemon_fail(d, "out of memory");
    }
    return 0;
}

/* The state directory itself may be a link, and any of its parents; ours below it may not. */
static int make_parents(const char *path) {
    char *copy = strdup(path);
    int rc = copy ? 0 : -1;

    for (char *p = copy ? copy + 1 : NULL; p && rc == 0; p++) {
        char c = *p;

        if (c == '/' || c == '\0') {
            *p = '\0';
            rc = mkdir(copy, 0700) != 0 && errno != EEXIST ? -1 : 0;
            *p = c;
        }
        if (c == '\0') {
            break;
        }
    }
    free(copy);
    return rc;
}

static int open_private(const char *path) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, &st) != 0 || st.st_uid != geteuid() ||
        ((st.st_mode & 077) && fchmod(fd, 0700) != 0)) {
        close(fd);
        errno = EPERM;
        return -1;
    }
    return fd;
}

char *daemon_private_dir(struct daemon *d, const char *name) {
    char *path = NULL;
    int fd;

    if (asprintf(&path, "%s/%s", csb_ctx_state_dir(d->ctx), name) < 0) {
        daemon_fail(d, "out of memory");
        return NULL;
    }
    if (make_parents(path) != 0) {
        daemon_fail(d, "can't make the directory %s: %s", path, strerror(errno));
        free(path);
        return NULL;
    }
    fd = open_private(path);
    if (fd < 0) {
        daemon_fail(d, "%s is not a directory of yours alone: %s", path, strerror(errno));
        free(path);
        return NULL;
    }
    close(fd);
    return path;
}

/* 1: locked, and the file is still the one that others find under this path. */
static int try_lock(struct daemon *d, int operation, int flags) {
    struct stat mine;
    struct stat there;

    d->lock_fd = open(d->lock_path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
    if (d->lock_fd < 0) {
        return -1;
    }
    if (flock(d->lock_fd, operation | LOCK_NB) == 0) {
        if (fstat(d->lock_fd, &mine) == 0 && lstat(d->lock_path, &there) == 0 &&
            mine.st_ino == there.st_ino && mine.st_dev == there.st_dev) {
            return 1;
        }
        errno = EWOULDBLOCK;
    }
    close(d->lock_fd);
    d->lock_fd = -1;
    return errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
}

/* One that holds the lock and does not answer is beginning or ending: both take little time. */
int daemon__take_lock(struct daemon *d, char *pid, size_t size) {
    int64_t deadline = daemon_now_ms() + PATIENCE_MS;
    char *dir = daemon_private_dir(d, "run");
    int locked;

    if (!dir) {
        return -1;
    }
    free(dir);
    while ((locked = try_lock(d, LOCK_EX, O_CREAT)) == 0) {
        FILE *answer = fmemopen(pid, size, "w");
        int status = answer ? daemon__ask(d, "ping", answer, 500) : DAEMON_FAILED;

        if (answer) {
            fclose(answer);
        }
        if (status == DAEMON_DONE) {
            return 1;
        }
        if (daemon_now_ms() > deadline) {
            return daemon_fail(d, "another one (pid %ld) runs but does not answer",
                               (long)daemon__ask_pid(d));
        }
        daemon__sleep_ms(5);
    }
    if (locked < 0) {
        return daemon_fail(d, "can't lock %s: %s", d->lock_path, strerror(errno));
    }
    return 0;
}

bool daemon__is_locked(const struct daemon *d) {
    struct daemon probe = *d;
    int locked = try_lock(&probe, LOCK_SH, 0);

    if (locked == 1) {
        close(probe.lock_fd);
    }
    return locked == 0;
}

/* What is said from now on goes there. A log that has grown is kept once. */
int daemon__open_log(struct daemon *d) {
    char *dir = daemon_private_dir(d, "log");
    char *old = NULL;
    struct stat st;
    int fd;

    if (!dir) {
        return -1;
    }
    free(dir);
    if (lstat(d->log_path, &st) == 0 && st.st_size > LOG_MAX_BYTES &&
        asprintf(&old, "%s.1", d->log_path) >= 0) {
        rename(d->log_path, old);
        free(old);
    }
    fd = open(d->log_path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return daemon_fail(d, "can't open %s: %s", d->log_path, strerror(errno));
    }
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
    return 0;
}
