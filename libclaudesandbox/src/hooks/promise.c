/* SPDX-License-Identifier: MIT */
#include "hooks/promise.h"

#include <string.h>

#define HELD_MAX 8

/* Nobody waits for it; who holds it frees it. */
static void forget(struct csb__promise *promise) {
    struct csb__promise **place = &promise->subscriber->promises;

    while (*place != promise) {
        place = &(*place)->next;
    }
    *place = promise->next;
    promise->subscriber = NULL;
}

void csb__promise_gone(struct csb__subscriber *s, uint64_t id) {
    for (struct csb__promise *p = s->promises; p; p = p->next) {
        if (p->id == id) {
            forget(p);
            return;
        }
    }
}

void csb__promise_gone_all(struct csb__subscriber *s) {
    while (s->promises) {
        forget(s->promises);
    }
}

static bool waits(const struct csb__asker *asker) {
    return ((const struct csb__promise *)asker)->subscriber != NULL;
}

static bool answer(struct csb__asker *asker, csb_reply *reply) {
    struct csb__promise *promise = (struct csb__promise *)asker;
    struct csb__subscriber *s = promise->subscriber;

    if (!s) {
        return false;
    }
    forget(promise);
    csb__frame_add_answer(&s->out, promise->id, reply);
    csb__subscriber_flush(s);
    return !s->ended;
}

static void free_promise(struct csb__asker *asker) {
    free(((struct csb__promise *)asker)->vm);
    free(asker);
}

static const struct csb__asker_ops promise_ops = {
    .waits = waits,
    .answer = answer,
    .free = free_promise,
};

static int count(const struct csb__subscriber *s, const char *vm) {
    int n = 0;

    for (const struct csb__promise *p = s->promises; p; p = p->next) {
        n += strcmp(p->vm, vm) == 0;
    }
    return n;
}

static int hold(struct csb__asker *asker, struct csb__asker **ret, csb_error **err) {
    const struct csb__promiser *promiser = (const struct csb__promiser *)asker;
    struct csb__subscriber *s = promiser->subscriber;
    struct csb__promise *promise;

    if (count(s, promiser->vm) >= HELD_MAX) {
        return csb__fail(err, CSB_EBUSY, "%s waits for %d answers already", promiser->vm, HELD_MAX);
    }
    promise = calloc(1, sizeof(*promise));
    if (promise) {
        promise->vm = strdup(promiser->vm);
    }
    if (!promise || !promise->vm) {
        free(promise);
        return csb__fail_nomem(err);
    }
    promise->asker.ops = &promise_ops;
    promise->id = promiser->id;
    promise->subscriber = s;
    promise->next = s->promises;
    s->promises = promise;
    *ret = &promise->asker;
    return 0;
}

const struct csb__asker_ops csb__promiser_ops = {.hold = hold};
