/* SPDX-License-Identifier: MIT */
/* How much a guest may ask of us. Pure: the clock is the caller's. */
#ifndef CSB_HOOKS_LIMITS_H
#define CSB_HOOKS_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct csb__limits {
    size_t body_max;      /* of one request */
    size_t vm_memory_max; /* of all bodies of one VM at a time */
    size_t memory_max;    /* of all bodies */
    size_t small_body;    /* so few bytes are always taken: the connections limit those */
    int vm_connections_max;
    int connections_max;
    int rate; /* requests a second of one VM */
    int burst;
    int request_ms;  /* from the first byte to the last */
    int linger_ms;   /* for the other side to take an answer */
    int held_ms;     /* how long an answer can be held */
    int vm_held_max; /* events of one VM whose answer is held */
};

#define CSB__LIMITS_INIT                                                                           \
    {                                                                                              \
        (size_t)8 << 20, (size_t)24 << 20, (size_t)96 << 20, (size_t)64 << 10, 64, 512, 1000,      \
            5000, 30000, 3000, 600000, 8                                                           \
    }

/* What is left of a rate. */
struct csb__bucket {
    int64_t filled_at; /* ms; 0: never used, so full */
    int64_t level;     /* in thousandths of a request */
};

bool csb__bucket_take(struct csb__bucket *b, const struct csb__limits *limits, int64_t now_ms);

/* Memory that is spoken for. */
struct csb__account {
    size_t used;
};

/* False when it does not fit; true for what is small, in any case. Given back by the same amount. */
bool csb__account_take(struct csb__account *vm, struct csb__account *all,
                       const struct csb__limits *limits, size_t n);
void csb__account_give(struct csb__account *vm, struct csb__account *all, size_t n);

#endif
