/* SPDX-License-Identifier: MIT */
/* macOS only: it has no flags for descriptors at birth. Our servers have one thread, so nothing can
 * come between the two calls. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#include "internal.h"

static int prepare(int fd) {
    if (fd >= 0) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    }
    return fd;
}

int daemon__socket(void) {
    return prepare(socket(AF_UNIX, SOCK_STREAM, 0));
}

int daemon__accept(int listen_fd) {
    return prepare(accept(listen_fd, NULL, NULL));
}

int daemon__pipe(int fds[2]) {
    if (pipe(fds) != 0) {
        return -1;
    }
    prepare(fds[0]);
    prepare(fds[1]);
    return 0;
}

int daemon__peer(int fd, uid_t *uid, pid_t *pid) {
    gid_t gid;
    socklen_t len = sizeof(*pid);

    if (getpeereid(fd, uid, &gid) != 0) {
        return -1;
    }
    if (getsockopt(fd, SOL_LOCAL, LOCAL_PEERPID, pid, &len) != 0) {
        *pid = 0;
    }
    return 0;
}

/* launchd takes a service for ready that runs. */
void daemon__tell_manager(void) {
}
