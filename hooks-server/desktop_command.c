/* SPDX-License-Identifier: MIT */
/* A program that shows one notice and ends. */
#include "child.h"
#include "desktop.h"

#define ARGS_MAX 24
/* Whoever takes longer hangs. */
#define PATIENCE_MS 10000

static struct child child = {.fd = -1};

static bool show(struct daemon *d, const struct notice *notice, uint32_t replaces) {
    struct desktop_texts texts;
    const char *argv[ARGS_MAX];

    (void)d;
    (void)replaces;
    desktop_argv(notice, &texts, argv, ARGS_MAX);
    return child_begin(&child, argv, PATIENCE_MS, false);
}

static bool busy(void) {
    return child.pid > 0;
}

static void judge(struct daemon *d, int status) {
    if (status == 0) {
        desktop_shown(0);
    } else if (status == CHILD_NOT_FOUND) {
        desktop_failed(d, "there is no program for it");
    } else {
        desktop_failed(d, "the program for it failed");
    }
}

/* Called when a child has ended, among other things. */
static int tick(struct daemon *d) {
    int status = child.pid ? child_look(&child) : CHILD_RUNS;

    if (status != CHILD_RUNS) {
        judge(d, status);
    }
    return child_wait_ms(&child);
}

static void close_way(struct daemon *d) {
    (void)d;
    child_end(&child);
}

const struct desktop_way desktop_command = {
#ifdef __APPLE__
    .name = "notifier program",
#else
    .name = "notify-send",
#endif
    .show = show,
    .busy = busy,
    .tick = tick,
    .close = close_way,
};
