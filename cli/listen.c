/* SPDX-License-Identifier: MIT */
#include "listen.h"

#include <poll.h>
#include <time.h>

#define TRY_AGAIN_MS 1000

int64_t listen_now_ms(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int listen_wait(struct listener *l, int64_t ms) {
    (void)l;
    if (ms > TRY_AGAIN_MS) {
        ms = TRY_AGAIN_MS;
    }
    if (ms > 0 && !cli_is_interrupted()) {
        (void)poll(NULL, 0, (int)ms);
    }
    return cli_is_interrupted() ? EXIT_INTERRUPTED : -1;
}

void listen_end(struct listener *l) {
    csb_hooks_close(l->hooks);
    l->hooks = NULL;
}
