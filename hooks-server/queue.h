/* SPDX-License-Identifier: MIT */
/* Notices that wait to be shown. Pure. What one VM can fill of it, and of the user's attention, is
 * limited: a flood from it is merged, and the others' turn comes all the same. */
#ifndef QUEUE_H
#define QUEUE_H

#include "notice.h"

#define QUEUE_MAX 64
/* Of one VM; what is more takes the place of its latest. */
#define QUEUE_SHARE 8
/* Shown of one VM at once, and then one in this time. */
#define QUEUE_BURST 10
#define QUEUE_INTERVAL_MS 1000
#define QUEUE_VMS 64

struct queued {
    struct notice notice;
    unsigned more; /* that it took the place of */
};

struct queue_vm {
    char vm[NOTICE_VM_MAX];
    int64_t credit; /* in milliseconds, as of `last` */
    int64_t last;   /* when one of it was taken out */
};

struct queue {
    struct queued items[QUEUE_MAX]; /* in the order in which they came */
    size_t n;
    struct queue_vm vms[QUEUE_VMS];
    size_t n_vms;
    int64_t n_merged;
    int64_t n_lost;
};

/* False when it got lost; one of a VM that has more in it may get lost instead. What can be answered
 * takes nobody's place, and nobody its. */
bool queue_add(struct queue *q, const struct notice *notice);
/* Takes out what asks that question. */
void queue_forget(struct queue *q, uint64_t question);
/* Whose turn it is. False when it is nobody's: *wait_ms says when it may be, -1 for never. */
bool queue_take(struct queue *q, int64_t now, struct queued *ret, int *wait_ms);

#endif
