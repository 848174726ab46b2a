/* SPDX-License-Identifier: MIT */
/* The user's side of the control socket. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "internal.h"

#define TIMEOUT_MS 5000

/* A connection to a server of this user; -1 when there is none. */
static int connect_to(const char *path, pid_t *pid) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    uid_t uid = (uid_t)-1;
    int fd;

    if (strlen(path) >= sizeof(addr.sun_path)) {
        return -1;
    }
    memcpy(addr.sun_path, path, strlen(path));
    fd = daemon__socket();
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
        daemon__peer(fd, &uid, pid) == 0 && uid == geteuid()) {
        return fd;
    }
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

pid_t daemon__ask_pid(const struct daemon *d) {
    pid_t pid = 0;
    int fd = connect_to(d->ctl_path, &pid);

    if (fd >= 0) {
        close(fd);
    }
    return pid;
}

/* All that comes until the end: its length, or -1 when that doesn't come in time. */
static ssize_t read_all(int fd, char *buf, size_t size, int64_t deadline) {
    size_t len = 0;

    for (;;) {
        int64_t left = deadline - daemon_now_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t n;

        if (left <= 0 || len == size - 1) {
            return -1;
        }
        if (poll(&p, 1, (int)left) <= 0) {
            continue;
        }
        n = read(fd, buf + len, size - 1 - len);
        if (n == 0) {
            buf[len] = '\0';
            return (ssize_t)len;
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return -1;
        }
        len += n > 0 ? (size_t)n : 0;
    }
}

int daemon__ask(struct daemon *d, const char *line, FILE *out, int timeout_ms) {
    int64_t deadline = daemon_now_ms() + timeout_ms;
    char text[REPLY_MAX_BYTES + 32];
    pid_t pid;
    int fd = connect_to(d->ctl_path, &pid);
    int len = snprintf(text, sizeof(text), "%s\n", line);
    ssize_t n;

    if (fd < 0) {
        return DAEMON_NOT_RUNNING;
    }
    if (len < 0 || len >= LINE_MAX_BYTES || memchr(line, '\n', strlen(line))) {
        close(fd);
        daemon_fail(d, "that is too long or has several lines");
        return DAEMON_FAILED;
    }
    n = write(fd, text, (size_t)len) == len ? read_all(fd, text, sizeof(text), deadline) : -1;
    close(fd);
    if (n > 0 && strncmp(text, "ok\n", 3) == 0) {
        if (out) {
            fputs(text + 3, out);
        }
        return DAEMON_DONE;
    }
    if (n > 0 && strncmp(text, "failed\n", 7) == 0) {
        daemon_fail(d, "%s", text + 7);
    } else {
        daemon_fail(d, "%s (pid %ld) does not answer", d->program->name, (long)pid);
    }
    return DAEMON_FAILED;
}

int daemon_ask(struct daemon *d, const char *line, FILE *out) {
    return daemon__ask(d, line, out, TIMEOUT_MS);
}
