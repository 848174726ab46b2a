/* SPDX-License-Identifier: MIT */
#include "queue.h"

#include <string.h>

#define FULL ((int64_t)QUEUE_BURST * QUEUE_INTERVAL_MS)

static bool is_of(const struct queued *item, const char *vm) {
    return strcmp(item->notice.vm, vm) == 0;
}

static size_t count_of(const struct queue *q, const char *vm) {
    size_t n = 0;

    for (size_t i = 0; i < q->n; i++) {
        n += is_of(&q->items[i], vm);
    }
    return n;
}

static struct queued *latest_of(struct queue *q, const char *vm) {
    for (size_t i = q->n; i > 0; i--) {
        if (is_of(&q->items[i - 1], vm) && !q->items[i - 1].notice.question) {
            return &q->items[i - 1];
        }
    }
    return NULL;
}

static struct queued *find_key(struct queue *q, const char *key) {
    for (size_t i = 0; i < q->n; i++) {
        if (strcmp(q->items[i].notice.key, key) == 0 && !q->items[i].notice.question) {
            return &q->items[i];
        }
    }
    return NULL;
}

static void take_out(struct queue *q, struct queued *item) {
    size_t behind = q->n - 1 - (size_t)(item - q->items);

    memmove(item, item + 1, behind * sizeof(*item));
    q->n--;
}

/* Whoever has the most gives up its latest, unless that would be for one that has as many. */
static bool make_room(struct queue *q, const char *vm) {
    const struct queued *most = NULL;
    struct queued *latest;
    size_t max = count_of(q, vm) + 1;

    for (size_t i = 0; i < q->n; i++) {
        size_t n = count_of(q, q->items[i].notice.vm);

        if (n > max) {
            max = n;
            most = &q->items[i];
        }
    }
    latest = most ? latest_of(q, most->notice.vm) : NULL;
    if (latest) {
        take_out(q, latest);
    }
    return latest != NULL;
}

/* What it is to be merged with. */
static struct queued *find_place(struct queue *q, const struct notice *notice) {
    struct queued *same = notice->question ? NULL : find_key(q, notice->key);

    if (!same && !notice->question && count_of(q, notice->vm) >= QUEUE_SHARE) {
        same = latest_of(q, notice->vm);
    }
    return same;
}

bool queue_add(struct queue *q, const struct notice *notice) {
    struct queued *place = find_place(q, notice);

    if (place) {
        place->notice = *notice;
        place->more++;
        q->n_merged++;
        return true;
    }
    if (q->n == QUEUE_MAX) {
        q->n_lost++;
        if (!make_room(q, notice->vm)) {
            return false;
        }
    }
    q->items[q->n++] = (struct queued){*notice, 0};
    return true;
}

void queue_forget(struct queue *q, uint64_t question) {
    for (size_t i = q->n; i > 0; i--) {
        if (q->items[i - 1].notice.question == question) {
            take_out(q, &q->items[i - 1]);
        }
    }
}

/* One that was not heard of for longest is as good as new. */
static struct queue_vm *find_vm(struct queue *q, const char *vm, int64_t now) {
    struct queue_vm *oldest = &q->vms[0];

    for (size_t i = 0; i < q->n_vms; i++) {
        if (strcmp(q->vms[i].vm, vm) == 0) {
            return &q->vms[i];
        }
        oldest = q->vms[i].last < oldest->last ? &q->vms[i] : oldest;
    }
    if (q->n_vms < QUEUE_VMS) {
        oldest = &q->vms[q->n_vms++];
    }
    *oldest = (struct queue_vm){.credit = FULL, .last = now - FULL};
    memcpy(oldest->vm, vm, strlen(vm) + 1);
    return oldest;
}

static int64_t credit_of(const struct queue_vm *v, int64_t now) {
    int64_t credit = v->credit + now - v->last;

    return credit > FULL ? FULL : credit;
}

static int sooner(int a, int64_t b) {
    return a < 0 || b < a ? (int)b : a;
}

bool queue_take(struct queue *q, int64_t now, struct queued *ret, int *wait_ms) {
    struct queued *best = NULL;
    struct queue_vm *v;
    int64_t waits = 0;

    *wait_ms = -1;
    for (size_t i = 0; i < q->n; i++) {
        int64_t lacking;

        v = find_vm(q, q->items[i].notice.vm, now);
        lacking = QUEUE_INTERVAL_MS - credit_of(v, now);
        if (lacking > 0) {
            *wait_ms = sooner(*wait_ms, lacking);
        } else if (!best || v->last < waits) {
            best = &q->items[i];
            waits = v->last;
        }
    }
    if (!best) {
        return false;
    }
    *ret = *best;
    take_out(q, best);
    v = find_vm(q, ret->notice.vm, now);
    v->credit = credit_of(v, now) - QUEUE_INTERVAL_MS;
    v->last = now;
    return true;
}
