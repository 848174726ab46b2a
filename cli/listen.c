/* SPDX-License-Identifier: MIT */
#include "listen.h"

#include <poll.h>
#include <time.h>

#define TRY_AGAIN_MS 1000
#define HEAR_MS 60000

int64_t listen_now_ms(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int listen_open(struct listener *l, csb_error **err) {
    csb_hooks_options options = CSB_HOOKS_OPTIONS_INIT;

    options.flags = CSB_HOOKS_WATCH;
    return csb_hooks_open(l->ctx, &options, l->fn, l->userdata, &l->hooks, err);
}

/* One that came later, or took the place of the one before. */
static void try_again(struct listener *l) {
    csb_error *err = NULL;
    int64_t now = listen_now_ms();

    if (now >= l->next_try) {
        l->next_try = now + TRY_AGAIN_MS;
        (void)listen_open(l, &err);
        csb_error_free(err);
    }
}

static int dispatch(struct listener *l, int ms) {
    csb_error *err = NULL;
    int rc = csb_hooks_dispatch(l->hooks, ms, &err);

    csb_error_free(err);
    if (rc == CSB_ECANCELED) {
        return EXIT_INTERRUPTED;
    }
    if (rc != 0 && rc != CSB_EUSER) {
        listen_end(l);
    }
    return -1;
}

/* A signal ends the poll(). One that comes right before it has to wait for the end of that. */
static int nap(int ms) {
    if (ms > 0 && !cli_is_interrupted()) {
        (void)poll(NULL, 0, ms);
    }
    return cli_is_interrupted() ? EXIT_INTERRUPTED : -1;
}

int listen_wait(struct listener *l, int64_t ms) {
    int limit = l->hooks ? HEAR_MS : TRY_AGAIN_MS;
    int rest = ms < 0 ? 0 : ms > limit ? limit : (int)ms;

    if (!l->hooks) {
        try_again(l);
    }
    return l->hooks ? dispatch(l, rest) : nap(rest);
}

void listen_end(struct listener *l) {
    csb_hooks_close(l->hooks);
    l->hooks = NULL;
}
