/* SPDX-License-Identifier: MIT */
/* Waits for descriptors, signals and time, and calls whom it concerns. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

/* The one thing that a handler can reach. */
static int signal_pipe = -1;

int64_t daemon_now_ms(void) {
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void daemon__sleep_ms(int ms) {
    poll(NULL, 0, ms);
}

static void on_signal(int signo) {
    int saved = errno;
    char byte = signo == SIGCHLD ? 'c' : 's';
    ssize_t n = write(signal_pipe, &byte, 1);

    (void)n; /* a full pipe has woken the loop before */
    errno = saved;
}

static void read_signals(struct daemon *d, int fd, short revents, void *userdata) {
    char bytes[64];
    ssize_t n;

    (void)revents;
    (void)userdata;
    while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
        if (memchr(bytes, 's', (size_t)n)) {
            daemon_stop(d);
        }
    }
}

int daemon__signals_open(struct daemon *d) {
    const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    struct sigaction action;
    struct sigaction before;
    sigset_t all;

    if (daemon__pipe(d->signal_fds) != 0) {
        return daemon_fail(d, "can't make a pipe: %s", strerror(errno));
    }
    signal_pipe = d->signal_fds[1];
    memset(&action, 0, sizeof(action));
    action.sa_flags = SA_RESTART;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        /* Under nohup a lost terminal is none of our business. */
        bool deaf = signals[i] == SIGHUP && sigaction(SIGHUP, NULL, &before) == 0 &&
                    before.sa_handler == SIG_IGN;

        action.sa_handler = deaf ? SIG_IGN : on_signal;
        sigaction(signals[i], &action, NULL);
    }
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigemptyset(&all); /* whoever started us may have blocked some */
    sigprocmask(SIG_SETMASK, &all, NULL);
    return daemon_watch(d, d->signal_fds[0], POLLIN, read_signals, NULL);
}

static struct watch *find_watch(struct daemon *d, int fd) {
    for (size_t i = 0; i < d->n_watches; i++) {
        if (d->watches[i].fd == fd) {
            return &d->watches[i];
        }
    }
    return NULL;
}

static int grow(struct daemon *d) {
    size_t max = d->max_watches ? d->max_watches * 2 : 16;
    void *watches = realloc(d->watches, max * sizeof(*d->watches));
    void *polled;
    void *serials;

    if (!watches) {
        return -1;
    }
    d->watches = watches;
    polled = realloc(d->polled, max * sizeof(*d->polled));
    if (!polled) {
        return -1;
    }
    d->polled = polled;
    serials = realloc(d->serials, max * sizeof(*d->serials));
    if (!serials) {
        return -1;
    }
    d->serials = serials;
    d->max_watches = max;
    return 0;
}

int daemon_watch(struct daemon *d, int fd, short events, daemon_fd_fn fn, void *userdata) {
    struct watch *w = find_watch(d, fd);

    if (!w) {
        if (d->n_watches == d->max_watches && grow(d) != 0) {
            return daemon_fail(d, "out of memory");
        }
        w = &d->watches[d->n_watches++];
        w->serial = ++d->last_serial;
    }
    w->fd = fd;
    w->events = events;
    w->fn = fn;
    w->userdata = userdata;
    return 0;
}

void daemon_unwatch(struct daemon *d, int fd) {
    struct watch *w = find_watch(d, fd);

    if (w) {
        *w = d->watches[--d->n_watches];
    }
}

void daemon_stop(struct daemon *d) {
    d->stopping = true;
}

static int sooner(int a, int b) {
    return a < 0 ? b : b < 0 || a < b ? a : b;
}

/* A callback may end other watches and begin new ones, also for the same number. */
static void dispatch(struct daemon *d, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct pollfd p = d->polled[i];
        struct watch *w = p.revents ? find_watch(d, p.fd) : NULL;

        if (w && w->serial == d->serials[i]) {
            w->fn(d, p.fd, p.revents, w->userdata);
        }
    }
}

void daemon__loop(struct daemon *d) {
    while (!d->stopping) {
        int timeout = daemon__control_tick(d);
        size_t n;

        if (d->program->tick) {
            timeout = sooner(timeout, d->program->tick(d));
        }
        n = d->n_watches;
        for (size_t i = 0; i < n; i++) {
            d->polled[i] = (struct pollfd){.fd = d->watches[i].fd, .events = d->watches[i].events};
            d->serials[i] = d->watches[i].serial;
        }
        if (d->stopping || poll(d->polled, (nfds_t)n, timeout) <= 0) {
            continue;
        }
        dispatch(d, n);
    }
}
