/* SPDX-License-Identifier: MIT */
#include "hooks/limits.h"

bool csb__bucket_take(struct csb__bucket *b, const struct csb__limits *limits, int64_t now_ms) {
    int64_t full = (int64_t)limits->burst * 1000;
    int64_t passed = now_ms - b->filled_at;

    /* A long time would fill it many times over: no product of it may overflow. */
    if (b->filled_at == 0 || passed > 86400000 || passed * limits->rate >= full) {
        b->level = full;
    } else {
        b->level += passed * limits->rate;
    }
    b->filled_at = now_ms;
    if (b->level > full) {
        b->level = full;
    }
    if (b->level < 1000) {
        return false;
    }
    b->level -= 1000;
    return true;
}

bool csb__account_take(struct csb__account *vm, struct csb__account *all,
                       const struct csb__limits *limits, size_t n) {
    if (n > limits->small_body &&
        (n > limits->vm_memory_max - vm->used || vm->used > limits->vm_memory_max ||
         all->used > limits->memory_max || n > limits->memory_max - all->used)) {
        return false;
    }
    vm->used += n;
    all->used += n;
    return true;
}

void csb__account_give(struct csb__account *vm, struct csb__account *all, size_t n) {
    vm->used -= n;
    all->used -= n;
}
