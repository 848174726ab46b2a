/* SPDX-License-Identifier: MIT */
#include "desktop.h"

#include <stdio.h>
#include <string.h>

#include "focus.h"
#include "question.h"
#include "queue.h"

#define SHOWN_MAX 64

static const struct desktop_way *const ways[] = {
#ifdef HAVE_SD_BUS
    &desktop_bus,
#endif
    &desktop_command,
    &desktop_terminal,
};
#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

static struct queue queue;
static struct queued current;
static bool is_looking;                   /* whether the user sees it without us */
static const struct desktop_way *at_work; /* NULL: nobody */
static size_t next_way;                   /* to be tried if that one fails */
static bool has_failed;
static const char *last_way = "not yet";
static struct {
    char key[sizeof(current.notice.key)];
    uint32_t id;
} shown[SHOWN_MAX]; /* the latest of each session, as a ring */
static size_t next_shown;
static int64_t n_shown;
static int64_t n_lost;
static int64_t n_seen;
static bool complained;

static uint32_t find_shown(const char *key) {
    for (size_t i = 0; i < SHOWN_MAX; i++) {
        if (shown[i].id && strcmp(shown[i].key, key) == 0) {
            return shown[i].id;
        }
    }
    return 0;
}

void desktop_forget_shown(void) {
    memset(shown, 0, sizeof(shown));
}

void desktop_shown(uint32_t id) {
    size_t i = 0;

    n_shown++;
    complained = false;
    question_scene_changed();
    if (id == 0) {
        return;
    }
    while (i < SHOWN_MAX && !(shown[i].id && strcmp(shown[i].key, current.notice.key) == 0)) {
        i++;
    }
    if (i == SHOWN_MAX) {
        i = next_shown++ % SHOWN_MAX;
    }
    snprintf(shown[i].key, sizeof(shown[i].key), "%s", current.notice.key);
    shown[i].id = id;
}

/* A question can't be asked in the next way, but what it is about can be told. */
void desktop_failed(struct daemon *d, const char *why) {
    question_let_go(current.notice.question);
    current.notice.question = 0;
    has_failed = true;
    if (next_way < N_WAYS) {
        return;
    }
    n_lost++;
    if (!complained) {
        daemon_log(d, "a notification was not shown: %s", why);
        complained = true;
    }
}

void desktop_post(struct daemon *d, const struct notice *notice) {
    if (!queue_add(&queue, notice)) {
        daemon_log(d, "a notification got lost: too many wait");
        question_let_go(notice->question);
    }
}

void desktop_withdraw(uint64_t question, uint32_t id) {
    queue_forget(&queue, question);
    for (size_t i = 0; id && i < N_WAYS; i++) {
        if (ways[i]->withdraw) {
            ways[i]->withdraw(id);
        }
    }
}

/* "text (and 3 more)" */
static void add_count(struct queued *item) {
    char end[32];
    size_t len = strlen(item->notice.body);

    snprintf(end, sizeof(end), " (and %u more)", item->more);
    if (item->more > 0 && len + strlen(end) < sizeof(item->notice.body)) {
        memcpy(item->notice.body + len, end, strlen(end) + 1);
    }
}

/* In the next way that may be able to. */
static void try_ways(struct daemon *d) {
    has_failed = false;
    while (next_way < N_WAYS) {
        const struct desktop_way *way = ways[next_way++];

        if (!way->withdraw) {
            question_let_go(current.notice.question);
            current.notice.question = 0;
        }
        if (way->show(d, &current.notice, find_shown(current.notice.key))) {
            at_work = way;
            last_way = way->name;
            return;
        }
    }
    desktop_failed(d, "no program can be run");
}

static void show_current(struct daemon *d) {
    if (current.notice.question && !question_is_open(current.notice.question)) {
        return; /* it was answered meanwhile */
    }
    add_count(&current);
    next_way = 0;
    try_ways(d);
}

static void begin_current(struct daemon *d) {
    is_looking = current.notice.unless_focused && focus_ask(current.notice.vm);
    if (!is_looking) {
        show_current(d);
    }
}

/* True when it has to be waited for. */
static bool look(struct daemon *d) {
    int answer = is_looking ? focus_answer() : FOCUS_HERE;

    if (answer == FOCUS_UNKNOWN_YET) {
        return true;
    }
    if (is_looking) {
        is_looking = false;
        if (answer == FOCUS_HERE) {
            n_seen++;
            question_let_go(current.notice.question);
        } else {
            show_current(d);
        }
    }
    return false;
}

static int sooner(int a, int b) {
    return a < 0 ? b : b < 0 || a < b ? a : b;
}

/* The way that is at work: in how many milliseconds it wants to be called again; -1 too when it is
 * done. */
static int tick_ways(struct daemon *d) {
    int timeout = -1;

    for (size_t i = 0; i < N_WAYS; i++) {
        timeout = sooner(timeout, ways[i]->tick(d));
    }
    if (at_work && !at_work->busy()) {
        at_work = NULL;
        if (has_failed && next_way < N_WAYS) {
            try_ways(d);
            timeout = at_work ? sooner(timeout, at_work->tick(d)) : timeout;
        }
    }
    return timeout;
}

int desktop_tick(struct daemon *d) {
    for (;;) {
        bool looks = look(d);
        int timeout = tick_ways(d);
        int wait;

        if (looks) {
            return sooner(timeout, focus_wait_ms());
        }
        if (at_work) {
            return timeout;
        }
        if (!queue_take(&queue, daemon_now_ms(), &current, &wait)) {
            return sooner(timeout, wait);
        }
        begin_current(d);
    }
}

void desktop_close(struct daemon *d) {
    focus_close();
    for (size_t i = 0; i < N_WAYS; i++) {
        ways[i]->close(d);
    }
}

void desktop_report(struct daemon_report *r) {
    daemon_report_text(r, "notifier", last_way);
    daemon_report_number(r, "notified", n_shown);
    daemon_report_number(r, "merged", queue.n_merged);
    daemon_report_number(r, "lost", n_lost + queue.n_lost);
    daemon_report_number(r, "seen", n_seen);
}
