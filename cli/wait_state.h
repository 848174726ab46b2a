/* SPDX-License-Identifier: MIT */
/* When what `wait` waits for has come true, and when to look again. Pure: the clock and what is seen and
 * heard are told, times are milliseconds. */
#ifndef CLI_WAIT_STATE_H
#define CLI_WAIT_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum { WAIT_FOR_IDLE, WAIT_FOR_INPUT, WAIT_FOR_EXIT };

struct wait_state {
    int goal;
    bool hears;         /* hooks are heard, so looking is only for what they don't tell */
    int hurry;          /* looks that follow each other fast, after an event */
    int64_t true_since; /* -1: it was not, at the last look */
    int64_t next_look;
    int64_t works_until; /* so long the last event has more to say than a look that finds nothing */
};

/* One whose first look is due. */
void wait_begin(struct wait_state *w, int goal);
/* "idle" and so on; -1 for any other word. */
int wait_goal(const char *word);
/* A look's answer, a CSB_ACTIVITY_...; true when that is the end of the waiting. */
bool wait_saw(struct wait_state *w, int activity, int64_t now);
/* An event of the machine, by its name, and when it came. */
void wait_heard(struct wait_state *w, const char *event, int64_t then);
/* How old an event may be and still matter. */
#define WAIT_FRESH_MS 5000
/* Nothing could be seen. */
void wait_missed(struct wait_state *w, int64_t now);

#endif
