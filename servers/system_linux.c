/* SPDX-License-Identifier: MIT */
/* Linux only: descriptors that are born CLOEXEC and non-blocking, and who is at the other end. */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"

int daemon__socket(void) {
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int daemon__accept(int listen_fd) {
    return accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

int daemon__pipe(int fds[2]) {
    return pipe2(fds, O_CLOEXEC | O_NONBLOCK);
}

int daemon__peer(int fd, uid_t *uid, pid_t *pid) {
    struct ucred cred;
    socklen_t len = sizeof(cred);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0) {
        return -1;
    }
    *uid = cred.uid;
    *pid = cred.pid;
    return 0;
}
