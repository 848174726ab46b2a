/* SPDX-License-Identifier: MIT */
/* poller_macos.c is the counterpart. */
#include "hooks/poller.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/posix.h"

#define READY_MAX 64

/* `fd` when it is one, for chains of what may fail. */
static int keep(int *place, int fd) {
    *place = csb__fd_move_up(fd);
    return *place < 0 ? -1 : 0;
}

int csb__poller_open(struct csb__poller *p) {
    if (keep(&p->fd, epoll_create1(EPOLL_CLOEXEC)) != 0 ||
        keep(&p->timer_fd, timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) != 0) {
        int saved = errno;

        csb__poller_close(p);
        errno = saved;
        return -1;
    }
    return 0;
}

void csb__poller_close(struct csb__poller *p) {
    csb__cleanup_close(&p->fd);
    csb__cleanup_close(&p->timer_fd);
    csb__cleanup_close(&p->dir_fd);
    *p = (struct csb__poller)CSB__POLLER_INIT;
}

int csb__poller_set(struct csb__poller *p, int fd, unsigned before, unsigned events, void *data) {
    struct epoll_event ev = {.data.ptr = data};

    ev.events |= events & CSB__POLL_IN ? EPOLLIN : 0U;
    ev.events |= events & CSB__POLL_OUT ? EPOLLOUT : 0U;
    if (before == events) {
        return 0;
    }
    /* Not merely without events: a peer that hangs up is told of in any case. */
    return epoll_ctl(p->fd,
                     events == 0   ? EPOLL_CTL_DEL
                     : before == 0 ? EPOLL_CTL_ADD
                                   : EPOLL_CTL_MOD,
                     fd, &ev);
}

int csb__poller_watch_dir(struct csb__poller *p, const char *path, void *data) {
    if (keep(&p->dir_fd, inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) != 0 ||
        inotify_add_watch(p->dir_fd, path,
                          IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR) < 0) {
        return -1;
    }
    p->dir_data = data;
    return csb__poller_set(p, p->dir_fd, 0, CSB__POLL_IN, data);
}

int csb__poller_arm(struct csb__poller *p, int ms, void *data) {
    struct itimerspec when = {
        .it_value = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000}};

    if (!p->timer_data) {
        p->timer_data = data;
        if (csb__poller_set(p, p->timer_fd, 0, CSB__POLL_IN, data) != 0) {
            return -1;
        }
    }
    return timerfd_settime(p->timer_fd, 0, &when, NULL);
}

static void drain(int fd) {
    char buf[4096];

    while (read(fd, buf, sizeof(buf)) > 0) {
    }
}

int csb__poller_wait(struct csb__poller *p, int timeout_ms, void **ready, int max) {
    struct epoll_event events[READY_MAX];
    int n = epoll_wait(p->fd, events, max < READY_MAX ? max : READY_MAX, timeout_ms);

    for (int i = 0; i < n; i++) {
        ready[i] = events[i].data.ptr;
        if (ready[i] == p->timer_data) {
            drain(p->timer_fd);
        } else if (ready[i] == p->dir_data) {
            drain(p->dir_fd);
        }
    }
    return n;
}

int csb__listener_socket(void) {
    return csb__fd_move_up(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

int csb__accept(int listener) {
    return csb__fd_move_up(accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

int csb__peer_uid(int fd, uid_t *ret) {
    struct ucred peer;
    socklen_t len = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
        return -1;
    }
    *ret = peer.uid;
    return 0;
}

ssize_t csb__send(int fd, const void *bytes, size_t len) {
    return send(fd, bytes, len, MSG_NOSIGNAL);
}
