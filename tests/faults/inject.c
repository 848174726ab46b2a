/* SPDX-License-Identifier: MIT */
#include "inject.h"

#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IDLE, WATCH, ARMED };

static struct inject_shared *shared;
static int mode;
static int depth;
static pid_t owner;
static uint64_t wanted;
static const char *wanted_call;
static bool sticky;
static bool inside;

struct inject_shared *inject_open(int d) {
    void *frames[4];

    depth = d;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    (void)backtrace(frames, 4); /* loads what it needs */
    return shared == MAP_FAILED ? NULL : shared;
}

void inject_watch(void) {
    owner = getpid();
    mode = WATCH;
}

void inject_arm(uint64_t way, bool again) {
    owner = getpid();
    wanted = way;
    wanted_call = NULL;
    sticky = again;
    mode = ARMED;
}

void inject_end(void) {
    mode = IDLE;
}

static void note(uint64_t way, const char *call) {
    for (size_t i = 0; i < shared->n_sites; i++) {
        if (shared->sites[i].way == way) {
            return;
        }
    }
    if (shared->n_sites < INJECT_SITES_MAX) {
        shared->sites[shared->n_sites++] = (struct inject_site){way, call};
    }
}

/* Whether this call is to fail. Frames 0 and 1 are ours. */
static bool strikes(const char *call) {
    void *frames[24];
    uint64_t way = UINT64_C(14695981039346656037);
    int n;

    if (mode == IDLE || inside || getpid() != owner) {
        return false;
    }
    inside = true;
    n = backtrace(frames, 24);
    for (int i = 2; i < n && i < 2 + depth; i++) {
        way = (way ^ (uint64_t)(uintptr_t)frames[i]) * UINT64_C(1099511628211);
    }
    inside = false;
    if (mode == WATCH) {
        note(way, call);
        return false;
    }
    if (shared->struck) {
        return sticky && wanted_call && strcmp(wanted_call, call) == 0;
    }
    if (way != wanted) {
        return false;
    }
    shared->struck = true;
    wanted_call = call;
    memcpy(shared->frames, frames, (size_t)n * sizeof(*frames));
    shared->n_frames = n;
    return true;
}

/* A call that fails with `error` and gives `bad` then. */
#define WRAP(type, name, params, args, bad, error)                                                 \
    type __real_##name params;                                                                     \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params {                                                                    \
        if (strikes(#name)) {                                                                      \
            errno = (error);                                                                       \
            return bad;                                                                            \
        }                                                                                          \
        return __real_##name args;                                                                 \
    }

WRAP(void *, malloc, (size_t n), (n), NULL, ENOMEM)
WRAP(void *, calloc, (size_t n, size_t m), (n, m), NULL, ENOMEM)
WRAP(void *, realloc, (void *p, size_t n), (p, n), NULL, ENOMEM)
WRAP(char *, strdup, (const char *s), (s), NULL, ENOMEM)
WRAP(char *, strndup, (const char *s, size_t n), (s, n), NULL, ENOMEM)
WRAP(int, vasprintf, (char **s, const char *f, va_list ap), (s, f, ap), -1, ENOMEM)
WRAP(char *, realpath, (const char *p, char *r), (p, r), NULL, ENOMEM)
WRAP(DIR *, opendir, (const char *p), (p), NULL, EMFILE)
WRAP(DIR *, fdopendir, (int fd), (fd), NULL, ENOMEM)
WRAP(ssize_t, read, (int fd, void *p, size_t n), (fd, p, n), -1, EIO)
WRAP(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n), -1, ENOSPC)
WRAP(ssize_t, send, (int fd, const void *p, size_t n, int f), (fd, p, n, f), -1, EPIPE)
WRAP(int, fsync, (int fd), (fd), -1, EIO)
WRAP(int, rename, (const char *a, const char *b), (a, b), -1, EIO)
WRAP(int, renameat, (int x, const char *a, int y, const char *b), (x, a, y, b), -1, EIO)
WRAP(int, mkdir, (const char *p, mode_t m), (p, m), -1, ENOSPC)
WRAP(int, unlink, (const char *p), (p), -1, EIO)
WRAP(int, unlinkat, (int fd, const char *p, int f), (fd, p, f), -1, EIO)
WRAP(int, chmod, (const char *p, mode_t m), (p, m), -1, EPERM)
WRAP(int, flock, (int fd, int how), (fd, how), -1, ENOLCK)
WRAP(int, pipe2, (int *fds, int f), (fds, f), -1, EMFILE)
WRAP(pid_t, fork, (void), (), -1, EAGAIN)
WRAP(int, socket, (int d, int t, int p), (d, t, p), -1, EMFILE)
WRAP(int, bind, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n), -1, ENOSPC)
WRAP(int, listen, (int fd, int n), (fd, n), -1, EADDRINUSE)
WRAP(int, connect, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n), -1, ECONNREFUSED)
WRAP(int, accept4, (int fd, struct sockaddr *a, socklen_t *n, int f), (fd, a, n, f), -1, EMFILE)
WRAP(int, epoll_create1, (int f), (f), -1, EMFILE)
WRAP(int, epoll_ctl, (int e, int o, int fd, struct epoll_event *v), (e, o, fd, v), -1, ENOSPC)
WRAP(int, timerfd_create, (int c, int f), (c, f), -1, EMFILE)
WRAP(int, inotify_init1, (int f), (f), -1, EMFILE)
WRAP(int, inotify_add_watch, (int fd, const char *p, uint32_t m), (fd, p, m), -1, ENOSPC)
WRAP(int, access, (const char *p, int m), (p, m), -1, EIO)
WRAP(int, stat64, (const char *p, struct stat *s), (p, s), -1, EIO)
WRAP(int, lstat64, (const char *p, struct stat *s), (p, s), -1, EIO)
WRAP(int, fstat64, (int fd, struct stat *s), (fd, s), -1, EIO)
WRAP(int, fstatat64, (int d, const char *p, struct stat *s, int f), (d, p, s, f), -1, EIO)
WRAP(int, poll, (struct pollfd * p, nfds_t n, int ms), (p, n, ms), -1, ENOMEM)

/* The same for what has a variable number of arguments. */
int __wrap_asprintf(char **s, const char *fmt, ...);
int __wrap_asprintf(char **s, const char *fmt, ...) {
    va_list ap;
    int n;

    if (strikes("asprintf")) {
        errno = ENOMEM;
        return -1;
    }
    va_start(ap, fmt);
    n = __real_vasprintf(s, fmt, ap);
    va_end(ap);
    return n;
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, mode_t bits);
int __wrap_open64(const char *path, int flags, mode_t bits) {
    if (strikes("open")) {
        errno = EMFILE;
        return -1;
    }
    return __real_open64(path, flags, bits);
}

int __real_openat64(int dir, const char *path, int flags, ...);
int __wrap_openat64(int dir, const char *path, int flags, mode_t bits);
int __wrap_openat64(int dir, const char *path, int flags, mode_t bits) {
    if (strikes("openat")) {
        errno = EMFILE;
        return -1;
    }
    return __real_openat64(dir, path, flags, bits);
}

int __real_fcntl64(int fd, int cmd, ...);
int __wrap_fcntl64(int fd, int cmd, void *arg);
int __wrap_fcntl64(int fd, int cmd, void *arg) {
    if ((cmd == F_DUPFD_CLOEXEC || cmd == F_SETFL) && strikes("fcntl")) {
        errno = EMFILE;
        return -1;
    }
    return __real_fcntl64(fd, cmd, arg);
}
