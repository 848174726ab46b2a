/* SPDX-License-Identifier: MIT */
/* Answers that a subscriber holds. */
#ifndef CSB_HOOKS_PROMISE_H
#define CSB_HOOKS_PROMISE_H

#include "hooks/subscriber.h"

struct csb__promise {
    struct csb__asker asker;
    struct csb__promise *next;
    struct csb__subscriber *subscriber; /* NULL: nobody waits any more */
    uint64_t id;
    char *vm;
};

/* For the time of a callback: who makes a promise of its reply. */
struct csb__promiser {
    struct csb__asker asker;
    struct csb__subscriber *subscriber;
    uint64_t id;
    const char *vm;
};

extern const struct csb__asker_ops csb__promiser_ops;
#define CSB__PROMISER(subscriber, id)                                                              \
    { {&csb__promiser_ops}, (subscriber), (id), NULL }

void csb__promise_gone(struct csb__subscriber *s, uint64_t id);
void csb__promise_gone_all(struct csb__subscriber *s);

/* subscriber.c: sends what is in `out`. */
void csb__subscriber_flush(struct csb__subscriber *s);

#endif
