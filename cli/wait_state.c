/* SPDX-License-Identifier: MIT */
#include "wait_state.h"

#include <stddef.h>
#include <string.h>

#include <claudesandbox.h>

/* Between a prompt and the work on it, and between a prompt and the next that was waiting, Claude is
 * idle for a moment. */
#define SETTLE_MS 300
#define PAUSE_MS 1000
/* What hooks don't tell is the user's Esc, and that Claude was killed. */
#define HEARING_PAUSE_MS 2000
/* A hook comes before what it tells of: Claude waits for it. */
#define HURRY 4
#define HURRY_MS 100

void wait_begin(struct wait_state *w, int goal) {
    *w = (struct wait_state){.goal = goal, .true_since = -1};
}

int wait_goal(const char *word) {
    static const char *const words[] = {"idle", "input", "exit"};

    for (int i = 0; i < 3; i++) {
        if (strcmp(word, words[i]) == 0) {
            return i;
        }
    }
    return -1;
}

static bool is_goal(int goal, int activity) {
    switch (goal) {
    case WAIT_FOR_EXIT:
        return activity == CSB_ACTIVITY_NONE;
    case WAIT_FOR_INPUT:
        return activity <= CSB_ACTIVITY_WAITING;
    default:
        return activity <= CSB_ACTIVITY_IDLE;
    }
}

/* 100, 200, 400, 800 after an event. */
static int pause_after(struct wait_state *w) {
    if (w->hurry > 0) {
        w->hurry--;
        return HURRY_MS << (HURRY - 1 - w->hurry);
    }
    return w->hears ? HEARING_PAUSE_MS : PAUSE_MS;
}

/* Claude reports a prompt before it notes down that it works on it: seconds before, on a slow machine. */
static bool is_behind(const struct wait_state *w, int activity, int64_t now) {
    return w->goal != WAIT_FOR_EXIT && activity <= CSB_ACTIVITY_IDLE && now < w->works_until;
}

bool wait_saw(struct wait_state *w, int activity, int64_t now) {
    if (activity == CSB_ACTIVITY_BUSY) {
        w->works_until = 0; /* it is noted down: from here on what is seen is newer */
    }
    if (!is_goal(w->goal, activity) || is_behind(w, activity, now)) {
        w->true_since = -1;
        w->next_look = now + pause_after(w);
        return false;
    }
    if (w->true_since < 0) {
        w->true_since = now;
    }
    w->next_look = w->true_since + SETTLE_MS;
    return now >= w->next_look;
}

void wait_missed(struct wait_state *w, int64_t now) {
    w->true_since = -1;
    w->next_look = now + PAUSE_MS;
}

/* After these it may have come true; after any other Claude works, or has just begun to. */
static bool may_be_the_end(const char *event) {
    static const char *const names[] = {"Stop",         "StopFailure",  "SessionEnd",
                                        "Notification", "SubagentStop", "PermissionRequest",
                                        "Elicitation",  "PostCompact",  NULL};

    for (int i = 0; names[i]; i++) {
        if (strcmp(event, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* After these it works, unless the user breaks it off. */
static bool is_work(const char *event) {
    return strcmp(event, "UserPromptSubmit") == 0 || strcmp(event, "PreToolUse") == 0;
}

void wait_heard(struct wait_state *w, const char *event, int64_t then) {
    if (may_be_the_end(event)) {
        w->hurry = HURRY;
        w->next_look = then;
        w->works_until = 0;
        return;
    }
    if (is_work(event)) {
        w->works_until = then + WAIT_FRESH_MS;
    }
    if (w->true_since >= 0) {
        w->true_since = then;
        w->next_look = then + SETTLE_MS;
    }
}
