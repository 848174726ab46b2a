/* SPDX-License-Identifier: MIT */
/* Linux only: descriptors that are born CLOEXEC and non-blocking, who is at the other end, and what
 * systemd wants to hear. */
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
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

/* As sd_notify(3) has it. No child of ours speaks for us. */
void daemon__tell_manager(void) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path ? strlen(path) : 0;
    int fd;

    if (len > 1 && len < sizeof(addr.sun_path) && strchr("/@", *path)) {
        memcpy(addr.sun_path, path, len);
        if (*path == '@') {
            addr.sun_path[0] = '\0';
        }
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd >= 0) {
            (void)sendto(fd, "READY=1", strlen("READY=1"), MSG_NOSIGNAL, (struct sockaddr *)&addr,
                         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
            close(fd);
        }
    }
    unsetenv("NOTIFY_SOCKET");
}
