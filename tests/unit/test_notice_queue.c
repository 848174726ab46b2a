/* SPDX-License-Identifier: MIT */
#include "queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

static struct notice made(const char *vm, int session) {
    struct notice n = {.urgency = URGENCY_NORMAL};

    snprintf(n.vm, sizeof(n.vm), "%s", vm);
    snprintf(n.key, sizeof(n.key), "%s/%d", vm, session);
    snprintf(n.body, sizeof(n.body), "%s %d", vm, session);
    return n;
}

static bool add(struct queue *q, const char *vm, int session) {
    struct notice n = made(vm, session);

    return queue_add(q, &n);
}

/* Whose turn it is; "" for nobody's. */
static const char *take(struct queue *q, int64_t now) {
    static struct queued item;
    int wait;

    return queue_take(q, now, &item, &wait) ? item.notice.body : "";
}

START_TEST(the_same_key_is_merged) {
    struct queue *q = calloc(1, sizeof(*q));
    struct queued item;
    int wait;

    ck_assert(add(q, "a", 1) && add(q, "a", 2) && add(q, "a", 1));
    ck_assert_uint_eq(q->n, 2);
    ck_assert_int_eq(q->n_merged, 1);
    ck_assert(queue_take(q, 0, &item, &wait));
    ck_assert_str_eq(item.notice.body, "a 1");
    ck_assert_uint_eq(item.more, 1);
    free(q);
}
END_TEST

START_TEST(one_vm_has_a_share) {
    struct queue *q = calloc(1, sizeof(*q));

    for (int i = 0; i < 1000; i++) {
        ck_assert(add(q, "loud", i));
    }
    ck_assert_uint_eq(q->n, QUEUE_SHARE);
    ck_assert(add(q, "quiet", 1));
    ck_assert_str_eq(take(q, 0), "loud 0");
    ck_assert_str_eq(take(q, 0), "quiet 1");
    free(q);
}
END_TEST

START_TEST(turns_go_round) {
    struct queue *q = calloc(1, sizeof(*q));

    add(q, "a", 1);
    add(q, "a", 2);
    add(q, "b", 1);
    add(q, "c", 1);
    add(q, "b", 2);
    ck_assert_str_eq(take(q, 1), "a 1");
    ck_assert_str_eq(take(q, 2), "b 1");
    ck_assert_str_eq(take(q, 3), "c 1");
    ck_assert_str_eq(take(q, 4), "a 2");
    ck_assert_str_eq(take(q, 5), "b 2");
    ck_assert_str_eq(take(q, 6), "");
    free(q);
}
END_TEST

START_TEST(a_burst_and_then_one_at_a_time) {
    struct queue *q = calloc(1, sizeof(*q));
    struct queued item;
    int wait;

    for (int i = 0; i < QUEUE_BURST; i++) {
        add(q, "a", i);
        ck_assert(queue_take(q, 0, &item, &wait));
    }
    add(q, "a", 100);
    ck_assert(!queue_take(q, QUEUE_INTERVAL_MS / 4, &item, &wait));
    ck_assert_int_eq(wait, QUEUE_INTERVAL_MS * 3 / 4);
    add(q, "b", 1);
    ck_assert_str_eq(take(q, QUEUE_INTERVAL_MS / 4), "b 1");
    ck_assert_str_eq(take(q, QUEUE_INTERVAL_MS), "a 100");
    ck_assert(!queue_take(q, QUEUE_INTERVAL_MS, &item, &wait));
    ck_assert_int_eq(wait, -1);
    free(q);
}
END_TEST

START_TEST(a_full_queue_takes_from_who_has_most) {
    struct queue *q = calloc(1, sizeof(*q));
    char vm[16];

    for (int i = 0; i < QUEUE_MAX / QUEUE_SHARE * QUEUE_SHARE; i++) {
        snprintf(vm, sizeof(vm), "loud%d", i % (QUEUE_MAX / QUEUE_SHARE));
        ck_assert(add(q, vm, i));
    }
    ck_assert_uint_eq(q->n, QUEUE_MAX);
    ck_assert(add(q, "quiet", 1));
    ck_assert_uint_eq(q->n, QUEUE_MAX);
    ck_assert_int_eq(q->n_lost, 1);
    ck_assert_str_eq(q->items[QUEUE_MAX - 1].notice.body, "quiet 1");
    free(q);
}
END_TEST

START_TEST(questions_are_left_alone) {
    struct queue *q = calloc(1, sizeof(*q));
    struct notice asks = made("a", 1);

    asks.question = 7;
    ck_assert(queue_add(q, &asks));
    asks.question = 8;
    ck_assert(queue_add(q, &asks));
    for (int i = 0; i < 100; i++) {
        ck_assert(add(q, "a", i));
    }
    ck_assert_uint_eq(q->n, QUEUE_SHARE);
    ck_assert_uint_eq(q->items[0].notice.question, 7);
    ck_assert_uint_eq(q->items[0].more, 0);
    ck_assert_uint_eq(q->items[1].notice.question, 8);
    queue_forget(q, 7);
    ck_assert_uint_eq(q->n, QUEUE_SHARE - 1);
    ck_assert_uint_eq(q->items[0].notice.question, 8);
    free(q);
}
END_TEST

START_TEST(more_vms_than_are_remembered) {
    struct queue *q = calloc(1, sizeof(*q));
    char vm[16];
    char body[32];

    for (int i = 0; i < 3 * QUEUE_VMS; i++) {
        snprintf(vm, sizeof(vm), "vm%d", i);
        snprintf(body, sizeof(body), "vm%d 1", i);
        ck_assert(add(q, vm, 1));
        ck_assert_str_eq(take(q, i), body);
    }
    free(q);
}
END_TEST

Suite *notice_queue_suite(void);
Suite *notice_queue_suite(void) {
    Suite *s = suite_create("notice_queue");
    TCase *tc = test_case(s, "notice_queue");

    tcase_add_test(tc, the_same_key_is_merged);
    tcase_add_test(tc, one_vm_has_a_share);
    tcase_add_test(tc, turns_go_round);
    tcase_add_test(tc, a_burst_and_then_one_at_a_time);
    tcase_add_test(tc, a_full_queue_takes_from_who_has_most);
    tcase_add_test(tc, questions_are_left_alone);
    tcase_add_test(tc, more_vms_than_are_remembered);
    return s;
}
