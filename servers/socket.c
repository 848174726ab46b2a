/* SPDX-License-Identifier: MIT */
/* Sockets that only one user can reach. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "internal.h"

#define BACKLOG 128

static bool is_our_socket(const char *path) {
    struct stat st;

    return lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_uid == geteuid();
}

void daemon_remove_socket(const char *path) {
    if (is_our_socket(path)) {
        unlink(path);
    }
}

static int set_address(struct daemon *d, const char *path, struct sockaddr_un *addr) {
    memset(addr, 0, sizeof(*addr));
    addr->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof(addr->sun_path)) {
        return daemon_fail(d,
                           "%s is too long for the path of a socket, which has room for %zu bytes; "
                           "set CLAUDE_SANDBOX_HOME to a shorter directory",
                           path, sizeof(addr->sun_path) - 1);
    }
    memcpy(addr->sun_path, path, strlen(path));
    return 0;
}

static int make_way(struct daemon *d, const char *path) {
    struct stat st;

    if (lstat(path, &st) != 0) {
        return errno == ENOENT ? 0 : daemon_fail(d, "can't look at %s: %s", path, strerror(errno));
    }
    if (!is_our_socket(path)) {
        return daemon_fail(d, "%s is in the way: it is not a socket of ours, so it stays; move it",
                           path);
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        return daemon_fail(d, "can't remove %s: %s", path, strerror(errno));
    }
    return 0;
}

int daemon_listen(struct daemon *d, const char *path) {
    struct sockaddr_un addr;
    int fd;

    if (set_address(d, path, &addr) != 0 || make_way(d, path) != 0) {
        return -1;
    }
    fd = daemon__socket();
    if (fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
        chmod(path, 0600) == 0 && listen(fd, BACKLOG) == 0) {
        return fd;
    }
    daemon_fail(d, "can't listen on %s: %s", path, strerror(errno));
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

int daemon_accept(int listen_fd) {
    int fd;

    while ((fd = daemon__accept(listen_fd)) >= 0 || errno == EINTR || errno == ECONNABORTED) {
        uid_t uid;
        pid_t pid;

        if (fd >= 0 && daemon__peer(fd, &uid, &pid) == 0 && uid == geteuid()) {
            return fd;
        }
        if (fd >= 0) {
            close(fd);
        }
    }
    return -1;
}
