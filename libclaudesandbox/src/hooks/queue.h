/* SPDX-License-Identifier: MIT */
/* Lines of those who wait, served in turn: a long line takes nothing from a short one. Pure. */
#ifndef CSB_HOOKS_QUEUE_H
#define CSB_HOOKS_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

/* To be the first member of what waits. */
struct csb__waiter {
    struct csb__waiter *next;
};

/* To be the first member of whose line it is. */
struct csb__line {
    struct csb__line *next; /* while somebody waits in it */
    struct csb__waiter *first;
    struct csb__waiter *last;
};

struct csb__queue {
    struct csb__line *first; /* whose turn it is */
    struct csb__line *last;
    size_t n_lines; /* in which somebody waits */
};

void csb__queue_push(struct csb__queue *q, struct csb__line *line, struct csb__waiter *waiter);
/* The next one, whose line then has to wait for the others; NULL when nobody waits. */
struct csb__waiter *csb__queue_pop(struct csb__queue *q);
/* Takes a whole line out, and forgets who waits in it. */
void csb__queue_drop(struct csb__queue *q, struct csb__line *line);

#endif
