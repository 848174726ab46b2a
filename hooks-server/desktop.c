/* SPDX-License-Identifier: MIT */
#include "desktop.h"

#include <stdio.h>
#include <string.h>

#define SHOWN_MAX 64

static const struct desktop_way *const ways[] = {
#ifdef HAVE_SD_BUS
    &desktop_bus,
#endif
    &desktop_command,
};
#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

struct waiting {
    struct notice notice;
    unsigned more; /* of the same key that it took the place of */
};

static struct waiting waiting[DESKTOP_WAITING_MAX];
static size_t n_waiting;
static const struct desktop_way *at_work; /* NULL: nobody */
static const char *last_way = "not yet";
static char current_key[sizeof(waiting[0].notice.key)];
static struct {
    char key[sizeof(current_key)];
    uint32_t id;
} shown[SHOWN_MAX]; /* the latest of each session, as a ring */
static size_t next_shown;
static int64_t n_shown;
static int64_t n_merged;
static int64_t n_lost;
static bool complained;

static uint32_t find_shown(const char *key) {
    for (size_t i = 0; i < SHOWN_MAX; i++) {
        if (shown[i].id && strcmp(shown[i].key, key) == 0) {
            return shown[i].id;
        }
    }
    return 0;
}

void desktop_shown(uint32_t id) {
    size_t i = 0;

    n_shown++;
    complained = false;
    if (id == 0) {
        return;
    }
    while (i < SHOWN_MAX && !(shown[i].id && strcmp(shown[i].key, current_key) == 0)) {
        i++;
    }
    if (i == SHOWN_MAX) {
        i = next_shown++ % SHOWN_MAX;
    }
    snprintf(shown[i].key, sizeof(shown[i].key), "%s", current_key);
    shown[i].id = id;
}

void desktop_failed(struct daemon *d, const char *why) {
    n_lost++;
    if (!complained) {
        daemon_log(d, "a notification was not shown: %s", why);
        complained = true;
    }
}

void desktop_post(struct daemon *d, const struct notice *notice) {
    for (size_t i = 0; i < n_waiting; i++) {
        if (strcmp(waiting[i].notice.key, notice->key) == 0) {
            waiting[i].notice = *notice;
            waiting[i].more++;
            n_merged++;
            return;
        }
    }
    if (n_waiting == DESKTOP_WAITING_MAX) {
        desktop_failed(d, "too many wait");
        return;
    }
    waiting[n_waiting++] = (struct waiting){*notice, 0};
}

/* "text (and 3 more)" */
static void add_count(struct waiting *w) {
    char end[32];
    size_t len = strlen(w->notice.body);

    snprintf(end, sizeof(end), " (and %u more)", w->more);
    if (w->more > 0 && len + strlen(end) < sizeof(w->notice.body)) {
        memcpy(w->notice.body + len, end, strlen(end) + 1);
    }
}

static void show_next(struct daemon *d) {
    struct waiting w = waiting[0];
    uint32_t replaces = find_shown(w.notice.key);

    memmove(&waiting[0], &waiting[1], --n_waiting * sizeof(waiting[0]));
    memcpy(current_key, w.notice.key, sizeof(current_key));
    add_count(&w);
    for (size_t i = 0; i < N_WAYS; i++) {
        if (ways[i]->show(d, &w.notice, replaces)) {
            at_work = ways[i];
            last_way = ways[i]->name;
            return;
        }
    }
    desktop_failed(d, "there is nobody to show it (no desktop session, or no notify-send)");
}

static int sooner(int a, int b) {
    return a < 0 ? b : b < 0 || a < b ? a : b;
}

int desktop_tick(struct daemon *d) {
    int timeout = -1;

    for (;;) {
        for (size_t i = 0; i < N_WAYS; i++) {
            timeout = sooner(timeout, ways[i]->tick(d));
        }
        if (at_work && at_work->busy()) {
            return timeout;
        }
        at_work = NULL;
        if (n_waiting == 0) {
            return timeout;
        }
        show_next(d);
        timeout = -1;
    }
}

bool desktop_idle(void) {
    return n_waiting == 0 && !at_work;
}

void desktop_close(struct daemon *d) {
    for (size_t i = 0; i < N_WAYS; i++) {
        ways[i]->close(d);
    }
}

void desktop_report(struct daemon_report *r) {
    daemon_report_text(r, "notifier", last_way);
    daemon_report_number(r, "notified", n_shown);
    daemon_report_number(r, "merged", n_merged);
    daemon_report_number(r, "lost", n_lost);
}
