/* SPDX-License-Identifier: MIT */
#include "hooks/queue.h"

static void append_line(struct csb__queue *q, struct csb__line *line) {
    line->next = NULL;
    if (q->last) {
        q->last->next = line;
    } else {
        q->first = line;
    }
    q->last = line;
    q->n_lines++;
}

static void take_first_line(struct csb__queue *q) {
    q->first = q->first->next;
    if (!q->first) {
        q->last = NULL;
    }
    q->n_lines--;
}

void csb__queue_push(struct csb__queue *q, struct csb__line *line, struct csb__waiter *waiter) {
    waiter->next = NULL;
    if (line->first) {
        line->last->next = waiter;
    } else {
        line->first = waiter;
        append_line(q, line);
    }
    line->last = waiter;
}

struct csb__waiter *csb__queue_pop(struct csb__queue *q) {
    struct csb__line *line = q->first;
    struct csb__waiter *waiter;

    if (!line) {
        return NULL;
    }
    waiter = line->first;
    line->first = waiter->next;
    take_first_line(q);
    if (line->first) {
        append_line(q, line);
    }
    return waiter;
}

void csb__queue_drop(struct csb__queue *q, struct csb__line *line) {
    struct csb__queue rest = {0};

    if (!line->first) {
        return;
    }
    while (q->first) {
        struct csb__line *next = q->first;

        take_first_line(q);
        if (next != line) {
            append_line(&rest, next);
        }
    }
    *q = rest;
    line->first = line->last = NULL;
}
