/* SPDX-License-Identifier: MIT */
/* One descriptor that is readable when one of many things happened: epoll or kqueue. */
#ifndef CSB_HOOKS_POLLER_H
#define CSB_HOOKS_POLLER_H

#include <stdbool.h>
#include <sys/types.h>

enum { CSB__POLL_IN = 1, CSB__POLL_OUT = 2 };

struct csb__poller {
    int fd;
    int timer_fd; /* Linux */
    int dir_fd;
    void *timer_data;
    void *dir_data;
};

#define CSB__POLLER_INIT                                                                           \
    { -1, -1, -1, NULL, NULL }

/* All of these: 0, or -1 with errno. */
int csb__poller_open(struct csb__poller *p);
void csb__poller_close(struct csb__poller *p);
/* Has `data` told when fd is ready for one of the events, as long as it is. `before`: what was asked
 * for until now, 0 for nothing; events 0: nothing more. */
int csb__poller_set(struct csb__poller *p, int fd, unsigned before, unsigned events, void *data);
/* Has `data` told whenever an entry of the directory came or went. Once per poller. */
int csb__poller_watch_dir(struct csb__poller *p, const char *path, void *data);
/* Has `data` told once, in so many milliseconds. Always the same data. */
int csb__poller_arm(struct csb__poller *p, int ms, void *data);
/* Waits, and gives the data of what is ready: how many. A thing may come twice. */
int csb__poller_wait(struct csb__poller *p, int timeout_ms, void **ready, int max);

/* -- sockets, where systems differ; non-blocking and CLOEXEC -- */

int csb__listener_socket(void);
int csb__accept(int listener);
/* Who is at the other end. */
int csb__peer_uid(int fd, uid_t *ret);
/* send(2) without SIGPIPE. */
ssize_t csb__send(int fd, const void *bytes, size_t len);

#endif
