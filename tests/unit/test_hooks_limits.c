/* SPDX-License-Identifier: MIT */
#include "hooks/limits.h"

#include "hooks/queue.h"
#include "support.h"

static const struct csb__limits limits = {
    .vm_memory_max = 1000, .memory_max = 1500, .small_body = 10, .rate = 10, .burst = 5};

static int take_all(struct csb__bucket *b, int64_t now) {
    int n = 0;

    while (n < 100 && csb__bucket_take(b, &limits, now)) {
        n++;
    }
    return n;
}

START_TEST(a_rate_has_a_burst_and_fills_again) {
    struct csb__bucket b = {0};

    ck_assert_int_eq(take_all(&b, 1000), 5);
    ck_assert_int_eq(take_all(&b, 1050), 0);
    ck_assert_int_eq(take_all(&b, 1100), 1);
    ck_assert_int_eq(take_all(&b, 1400), 3);
    /* Never more than the burst, however long it was quiet. */
    ck_assert_int_eq(take_all(&b, INT64_C(1) << 60), 5);
}
END_TEST

START_TEST(memory_is_of_the_vm_and_of_all) {
    struct csb__account one = {0};
    struct csb__account two = {0};
    struct csb__account all = {0};

    ck_assert(csb__account_take(&one, &all, &limits, 900));
    ck_assert(!csb__account_take(&one, &all, &limits, 101));
    ck_assert(csb__account_take(&two, &all, &limits, 600));
    ck_assert(!csb__account_take(&two, &all, &limits, 11));
    /* What is small is always heard. */
    ck_assert(csb__account_take(&two, &all, &limits, 10));
    ck_assert(!csb__account_take(&two, &all, &limits, SIZE_MAX));
    csb__account_give(&one, &all, 900);
    ck_assert(csb__account_take(&two, &all, &limits, 300));
    csb__account_give(&two, &all, 910);
    ck_assert_uint_eq(one.used + two.used + all.used, 0);
}
END_TEST

struct item {
    struct csb__waiter waiter;
    char name;
};

/* Letters are who waits: the case of one is whose line it is. */
static void check_order(const char *pushed, const char *popped) {
    struct csb__queue q = {0};
    struct csb__line upper = {0};
    struct csb__line lower = {0};
    struct csb__line other = {0};
    struct item items[16];

    for (size_t i = 0; pushed[i]; i++) {
        items[i].name = pushed[i];
        csb__queue_push(&q,
                        pushed[i] < 'A'   ? &other
                        : pushed[i] < 'a' ? &upper
                                          : &lower,
                        &items[i].waiter);
    }
    for (size_t i = 0; popped[i]; i++) {
        const struct item *item = (struct item *)csb__queue_pop(&q);

        ck_assert_ptr_nonnull(item);
        ck_assert_int_eq(item->name, popped[i]);
    }
    ck_assert_ptr_null(csb__queue_pop(&q));
    ck_assert_uint_eq(q.n_lines, 0);
}

START_TEST(lines_are_served_in_turn) {
    check_order("", "");
    check_order("abc", "abc");
    check_order("ABCDa", "AaBCD");
    check_order("ABCDa1b", "Aa1BbCD");
    check_order("aA1B2C3", "aA1B2C3");
}
END_TEST

START_TEST(a_line_can_be_dropped) {
    struct csb__queue q = {0};
    struct csb__line lines[3] = {{0}};
    struct item items[6] = {{{0}, 'a'}, {{0}, 'b'}, {{0}, 'c'}, {{0}, 'd'}, {{0}, 'e'}};

    csb__queue_push(&q, &lines[0], &items[0].waiter);
    csb__queue_push(&q, &lines[1], &items[1].waiter);
    csb__queue_push(&q, &lines[1], &items[2].waiter);
    csb__queue_push(&q, &lines[2], &items[3].waiter);
    csb__queue_drop(&q, &lines[1]);
    ck_assert_uint_eq(q.n_lines, 2);
    csb__queue_drop(&q, &lines[1]);
    csb__queue_push(&q, &lines[1], &items[4].waiter);
    ck_assert_ptr_eq(csb__queue_pop(&q), &items[0].waiter);
    ck_assert_ptr_eq(csb__queue_pop(&q), &items[3].waiter);
    ck_assert_ptr_eq(csb__queue_pop(&q), &items[4].waiter);
    ck_assert_ptr_null(csb__queue_pop(&q));
}
END_TEST

Suite *hooks_limits_suite(void);
Suite *hooks_limits_suite(void) {
    Suite *s = suite_create("hooks_limits");
    TCase *tc = test_case(s, "hooks_limits");

    tcase_add_test(tc, a_rate_has_a_burst_and_fills_again);
    tcase_add_test(tc, memory_is_of_the_vm_and_of_all);
    tcase_add_test(tc, lines_are_served_in_turn);
    tcase_add_test(tc, a_line_can_be_dropped);
    return s;
}
