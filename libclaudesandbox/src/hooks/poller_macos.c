/* SPDX-License-Identifier: MIT */
/* poller_linux.c is the counterpart. */
#include "hooks/poller.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/posix.h"

#define READY_MAX 64

int csb__poller_open(struct csb__poller *p) {
    p->fd = csb__fd_move_up(kqueue());
    return p->fd < 0 ? -1 : fcntl(p->fd, F_SETFD, FD_CLOEXEC);
}

void csb__poller_close(struct csb__poller *p) {
    csb__cleanup_close(&p->fd);
    csb__cleanup_close(&p->dir_fd);
    *p = (struct csb__poller)CSB__POLLER_INIT;
}

/* A filter that is wanted or not, and was or was not. */
static int set_filter(struct csb__poller *p, int fd, int16_t filter, bool before, bool now,
                      void *data) {
    struct kevent ev;

    if (before == now) {
        return 0;
    }
    EV_SET(&ev, (uintptr_t)fd, filter, now ? EV_ADD : EV_DELETE, 0, 0, data);
    return kevent(p->fd, &ev, 1, NULL, 0, NULL);
}

int csb__poller_set(struct csb__poller *p, int fd, unsigned before, unsigned events, void *data) {
    int rc = set_filter(p, fd, EVFILT_READ, before & CSB__POLL_IN, events & CSB__POLL_IN, data);

    return rc == 0 ? set_filter(p, fd, EVFILT_WRITE, before & CSB__POLL_OUT, events & CSB__POLL_OUT,
                                data)
                   : rc;
}

int csb__poller_watch_dir(struct csb__poller *p, const char *path, void *data) {
    struct kevent ev;

    p->dir_fd = csb__fd_move_up(csb__open(path, O_EVTONLY | O_DIRECTORY, 0));
    if (p->dir_fd < 0) {
        return -1;
    }
    p->dir_data = data;
    EV_SET(&ev, (uintptr_t)p->dir_fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_WRITE, 0, data);
    return kevent(p->fd, &ev, 1, NULL, 0, NULL);
}

int csb__poller_arm(struct csb__poller *p, int ms, void *data) {
    struct kevent ev;

    EV_SET(&ev, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, ms, data);
    return kevent(p->fd, &ev, 1, NULL, 0, NULL);
}

int csb__poller_wait(struct csb__poller *p, int timeout_ms, void **ready, int max) {
    struct kevent events[READY_MAX];
    struct timespec limit = {.tv_sec = timeout_ms / 1000,
                             .tv_nsec = (long)(timeout_ms % 1000) * 1000000};
    int n = kevent(p->fd, NULL, 0, events, max < READY_MAX ? max : READY_MAX,
                   timeout_ms < 0 ? NULL : &limit);

    for (int i = 0; i < n; i++) {
        ready[i] = events[i].udata;
    }
    return n;
}

/* macOS has neither SOCK_CLOEXEC nor MSG_NOSIGNAL. */
static int prepare(int fd) {
    int on = 1;

    if (fd < 0) {
        return -1;
    }
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        int saved = errno;

        close(fd);
        errno = saved;
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
    return fd;
}

int csb__listener_socket(void) {
    return prepare(csb__fd_move_up(socket(AF_UNIX, SOCK_STREAM, 0)));
}

int csb__accept(int listener) {
    return prepare(csb__fd_move_up(accept(listener, NULL, NULL)));
}

int csb__peer_uid(int fd, uid_t *ret) {
    gid_t gid;

    return getpeereid(fd, ret, &gid);
}

ssize_t csb__send(int fd, const void *bytes, size_t len) {
    return send(fd, bytes, len, 0);
}
