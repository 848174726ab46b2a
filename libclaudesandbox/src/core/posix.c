/* SPDX-License-Identifier: MIT */
#include "core/posix.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

int64_t csb__now_ms(void) {
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void csb__sleep_ms(int ms) {
    poll(NULL, 0, ms);
}

int csb__fd_move_up(int fd) {
    int high;

    if (fd > 2 || fd < 0) {
        return fd;
    }
    high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    close(fd);
    return high;
}

static int plain_pipe(int fds[2]) {
#ifdef __linux__
    return pipe2(fds, O_CLOEXEC);
#else
    /* macOS has no pipe2: another thread that forks in between inherits these two. */
    if (pipe(fds) != 0) {
        return -1;
    }
    fcntl(fds[0], F_SETFD, FD_CLOEXEC);
    fcntl(fds[1], F_SETFD, FD_CLOEXEC);
    return 0;
#endif
}

int csb__pipe(int fds[2]) {
    if (plain_pipe(fds) != 0) {
        return -1;
    }
    fds[0] = csb__fd_move_up(fds[0]);
    fds[1] = csb__fd_move_up(fds[1]);
    if (fds[0] < 0 || fds[1] < 0) {
        int saved = errno;

        csb__cleanup_close(&fds[0]);
        csb__cleanup_close(&fds[1]);
        errno = saved;
        return -1;
    }
    return 0;
}

void csb__fd_close(int *fd) {
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

bool csb__unix_path_fits(const char *path) {
    struct sockaddr_un addr;

    return strlen(path) < sizeof(addr.sun_path);
}

static int stream_socket(int family) {
#ifdef __linux__
    return socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
#else
    int fd = socket(family, SOCK_STREAM, 0);

    if (fd >= 0) {
        int on = 1;

        fcntl(fd, F_SETFD, FD_CLOEXEC);
        setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
    }
    return fd;
#endif
}

int csb__tcp_socket(void) {
    return stream_socket(AF_INET);
}

static int unix_connect(const char *path, int flags) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd;

    if (!csb__unix_path_fits(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(addr.sun_path, path);
    fd = stream_socket(AF_UNIX);
    if (fd < 0) {
        return -1;
    }
    if ((flags && fcntl(fd, F_SETFL, flags) != 0) ||
        connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
        int saved = errno;

        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

int csb__unix_connect(const char *path) {
    return unix_connect(path, 0);
}

int csb__unix_connect_at_once(const char *path) {
    return unix_connect(path, O_NONBLOCK);
}

int csb__open(const char *path, int flags, mode_t mode) {
    int fd;

    do {
        fd = open(path, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

/* To its end, or to the size that it has: 0 where a file, as those of /proc, does not tell. */
static int read_all(int fd, size_t size, size_t max, struct csb__strbuf *out) {
    char buf[16384];
    size_t got = 0;
    ssize_t n;

    do {
        n = read(fd, buf, sizeof(buf));
        if (n < 0 && errno != EINTR) {
            return errno;
        }
        if (n > 0 && out->len + (size_t)n > max) {
            return EFBIG;
        }
        csb__strbuf_add(out, buf, n > 0 ? (size_t)n : 0);
        got += n > 0 ? (size_t)n : 0;
    } while (n != 0 && got != size);
    return out->failed ? ENOMEM : 0;
}

int csb__read_file(const char *path, size_t max, struct csb__strbuf *out) {
    /* Not blocking: opening a FIFO would wait for a writer. */
    CSB__AUTOCLOSE int fd = csb__open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0) {
        return errno;
    }
    if (!S_ISREG(st.st_mode)) {
        return S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
    }
    return read_all(fd, (size_t)st.st_size, max, out);
}

void csb__read_tail(const char *path, size_t max, struct csb__strbuf *out) {
    /* Not blocking: opening a FIFO would wait for a writer. */
    CSB__AUTOCLOSE int fd = csb__open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    char buf[16384];
    ssize_t n = 1;

    if (size < 0) {
        return;
    }
    lseek(fd, size > (off_t)max ? size - (off_t)max : 0, SEEK_SET);
    /* It may have grown meanwhile: what is over the limit is left, and the rest is not. */
    while (max > 0 && n != 0) {
        n = read(fd, buf, max < sizeof(buf) ? max : sizeof(buf));
        if (n < 0 && errno != EINTR) {
            return;
        }
        csb__strbuf_add(out, buf, n > 0 ? (size_t)n : 0);
        max -= n > 0 ? (size_t)n : 0;
    }
}

ssize_t csb__write(int fd, const void *bytes, size_t len) {
    sigset_t pipe_set;
    sigset_t pending;
    sigset_t old;
    ssize_t n;
    int saved;

    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
    n = write(fd, bytes, len);
    saved = errno;
    if (n < 0 && saved == EPIPE && !sigismember(&pending, SIGPIPE)) {
        /* It is pending for this thread, unless it is ignored. */
        sigpending(&pending);
        if (sigismember(&pending, SIGPIPE)) {
            int signo;

            sigwait(&pipe_set, &signo);
        }
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = saved;
    return n;
}

int csb__write_all(int fd, const void *bytes, size_t len) {
    const char *p = bytes;

    while (len > 0) {
        ssize_t n = csb__write(fd, p, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno;
        }
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int csb__write_file(const char *path, const void *bytes, size_t len, mode_t mode, csb_error **err) {
    CSB__AUTOFREE char *tmp = NULL;
    char suffix[9];
    int fd;
    int rc;

    if (csb__random_hex(suffix, 8) != 0 || asprintf(&tmp, "%s.%s.tmp", path, suffix) < 0) {
        tmp = NULL;
        return csb__fail_nomem(err);
    }
    fd = csb__open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    if (fd < 0) {
        return csb__fail_errno(err, errno, "can't write %s", path);
    }
    rc = csb__write_all(fd, bytes, len);
    if (rc == 0 && fsync(fd) != 0) {
        rc = errno;
    }
    if (close(fd) != 0 && rc == 0) {
        rc = errno;
    }
    if (rc == 0 && rename(tmp, path) != 0) {
        rc = errno;
    }
    if (rc != 0) {
        unlink(tmp);
        return csb__fail_errno(err, rc, "can't write %s", path);
    }
    return 0;
}

int csb__random_hex(char *out, size_t n) {
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[32];
    CSB__AUTOCLOSE int fd = csb__open("/dev/urandom", O_RDONLY, 0);

    if (fd < 0 || n > 64 || read(fd, bytes, (n + 1) / 2) != (ssize_t)((n + 1) / 2)) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = digits[i % 2 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4];
    }
    out[n] = '\0';
    return 0;
}

int csb__host_cpus(void) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : n > INT_MAX ? INT_MAX : (int)n;
}

uint64_t csb__host_memory(void) {
    long pages = sysconf(_SC_PHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);

    return pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
}
