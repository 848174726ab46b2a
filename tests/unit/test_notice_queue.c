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

static void add(struct queue *q, const char *vm, int session) {
    struct notice n = made(vm, session);

    ck_assert(queue_add(q, &n));
}

static void add_many(struct queue *q, const char *vm, int count) {
    for (int i = 0; i < count; i++) {
        add(q, vm, i);
    }
}

/* Whose turn it is: `body`, or "" for nobody's and then when it may be. */
static void check_take(struct queue *q, int64_t now, const char *body, int wait) {
    struct queued item;
    int ms = 0;
    bool any = queue_take(q, now, &item, &ms);

    ck_assert_str_eq(any ? item.notice.body : "", body);
    if (!any) {
        ck_assert_int_eq(ms, wait);
    }
}

START_TEST(the_same_key_is_merged) {
    struct queue *q = calloc(1, sizeof(*q));

    add(q, "a", 1);
    add(q, "a", 2);
    add(q, "a", 1);
    ck_assert_uint_eq(q->n, 2);
    ck_assert_int_eq(q->n_merged, 1);
    ck_assert_uint_eq(q->items[0].more, 1);
    check_take(q, 0, "a 1", 0);
    free(q);
}
END_TEST

START_TEST(one_vm_has_a_share) {
    struct queue *q = calloc(1, sizeof(*q));

    add_many(q, "loud", 1000);
    ck_assert_uint_eq(q->n, QUEUE_SHARE);
    add(q, "quiet", 1);
    check_take(q, 0, "loud 0", 0);
    check_take(q, 0, "quiet 1", 0);
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
    check_take(q, 1, "a 1", 0);
    check_take(q, 2, "b 1", 0);
    check_take(q, 3, "c 1", 0);
    check_take(q, 4, "a 2", 0);
    check_take(q, 5, "b 2", 0);
    check_take(q, 6, "", -1);
    free(q);
}
END_TEST

START_TEST(a_burst_and_then_one_at_a_time) {
    struct queue *q = calloc(1, sizeof(*q));

    for (int i = 0; i < QUEUE_BURST; i++) {
        add(q, "a", 1);
        check_take(q, 0, "a 1", 0);
    }
    add(q, "a", 100);
    check_take(q, QUEUE_INTERVAL_MS / 4, "", QUEUE_INTERVAL_MS * 3 / 4);
    add(q, "b", 1);
    check_take(q, QUEUE_INTERVAL_MS / 4, "b 1", 0);
    check_take(q, QUEUE_INTERVAL_MS, "a 100", 0);
    check_take(q, QUEUE_INTERVAL_MS, "", -1);
    free(q);
}
END_TEST

START_TEST(a_full_queue_takes_from_who_has_most) {
    struct queue *q = calloc(1, sizeof(*q));
    char vm[16];

    for (int i = 0; i < QUEUE_MAX / QUEUE_SHARE; i++) {
        snprintf(vm, sizeof(vm), "loud%d", i);
        add_many(q, vm, QUEUE_SHARE);
    }
    ck_assert_uint_eq(q->n, QUEUE_MAX);
    add(q, "quiet", 1);
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
    add_many(q, "a", 100);
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
        add(q, vm, 1);
        check_take(q, i, body, 0);
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
