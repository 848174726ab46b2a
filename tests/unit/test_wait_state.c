/* SPDX-License-Identifier: MIT */
#include "wait_state.h"

#include <check.h>

#include <claudesandbox.h>

#include "cli.h"
#include "support.h"

enum {
    NONE = CSB_ACTIVITY_NONE,
    IDLE = CSB_ACTIVITY_IDLE,
    WAITING = CSB_ACTIVITY_WAITING,
    BUSY = CSB_ACTIVITY_BUSY
};

START_TEST(what_each_goal_is) {
    static const struct {
        const char *word;
        int reached_by; /* the highest that does */
    } goals[] = {{"exit", NONE}, {"idle", IDLE}, {"input", WAITING}};

    for (int i = 0; i < 3; i++) {
        for (int activity = NONE; activity <= BUSY; activity++) {
            struct wait_state w;

            wait_begin(&w, wait_goal(goals[i].word));
            wait_saw(&w, activity, 1000);
            ck_assert_int_eq(wait_saw(&w, activity, 5000), activity <= goals[i].reached_by);
        }
    }
    ck_assert_int_eq(wait_goal("idl"), -1);
    ck_assert_int_eq(wait_goal(""), -1);
}
END_TEST

START_TEST(idle_for_a_moment_is_not_idle) {
    struct wait_state w;

    wait_begin(&w, WAIT_FOR_IDLE);
    ck_assert_int_eq(w.next_look, 0);
    ck_assert(!wait_saw(&w, IDLE, 1000));
    ck_assert_int_gt(w.next_look, 1000);
    ck_assert(!wait_saw(&w, BUSY, w.next_look));
    /* From anew. */
    ck_assert(!wait_saw(&w, IDLE, w.next_look));
    ck_assert(wait_saw(&w, IDLE, w.next_look));
}
END_TEST

START_TEST(work_that_is_heard_of_takes_it_back) {
    struct wait_state w;

    wait_begin(&w, WAIT_FOR_IDLE);
    ck_assert(!wait_saw(&w, IDLE, 1000));
    wait_heard(&w, "UserPromptSubmit", 1200);
    ck_assert(!wait_saw(&w, IDLE, 1400));
    ck_assert(!wait_saw(&w, IDLE, w.next_look));
    ck_assert(!wait_saw(&w, IDLE, 1200 + WAIT_FRESH_MS));
    ck_assert(wait_saw(&w, IDLE, w.next_look));
    /* A name that nobody knows is work, too. */
    wait_begin(&w, WAIT_FOR_IDLE);
    ck_assert(!wait_saw(&w, IDLE, 1000));
    wait_heard(&w, "", 1200);
    ck_assert(!wait_saw(&w, IDLE, 1400));
}
END_TEST

/* The prompt is reported first, then noted down as work. */
START_TEST(a_prompt_counts_before_it_is_seen) {
    struct wait_state w;

    wait_begin(&w, WAIT_FOR_INPUT);
    wait_heard(&w, "UserPromptSubmit", 1000);
    ck_assert(!wait_saw(&w, IDLE, 1500));
    ck_assert(!wait_saw(&w, IDLE, 2500));
    /* A question is one, however young the prompt. */
    ck_assert(!wait_saw(&w, WAITING, 2600));
    ck_assert(wait_saw(&w, WAITING, 3600));
    /* Seen at work, and then broken off. */
    ck_assert(!wait_saw(&w, BUSY, 3700));
    ck_assert(!wait_saw(&w, IDLE, 3800));
    ck_assert(wait_saw(&w, IDLE, 4800));
    /* The end of the turn. */
    wait_begin(&w, WAIT_FOR_IDLE);
    wait_heard(&w, "UserPromptSubmit", 1000);
    wait_heard(&w, "Stop", 1500);
    ck_assert(!wait_saw(&w, IDLE, 1600));
    ck_assert(wait_saw(&w, IDLE, 2000));
    /* One that has ended has ended. */
    wait_begin(&w, WAIT_FOR_EXIT);
    wait_heard(&w, "UserPromptSubmit", 1000);
    ck_assert(!wait_saw(&w, NONE, 1600));
    ck_assert(wait_saw(&w, NONE, 2000));
}
END_TEST

START_TEST(the_end_of_a_turn_is_looked_at_at_once) {
    struct wait_state w;
    int64_t now = 1000;

    wait_begin(&w, WAIT_FOR_IDLE);
    w.hears = true;
    ck_assert(!wait_saw(&w, BUSY, now));
    ck_assert_int_eq(w.next_look, 3000);
    wait_heard(&w, "PostToolUse", 1100);
    ck_assert_int_eq(w.next_look, 3000);
    wait_heard(&w, "Stop", 1200);
    ck_assert_int_eq(w.next_look, 1200);
    /* It is still busy while the hook runs: some looks in haste, then as before. */
    now = 1200;
    for (int i = 0; i < 4; i++) {
        ck_assert(!wait_saw(&w, BUSY, now));
        ck_assert_int_le(w.next_look - now, 800);
        now = w.next_look;
    }
    ck_assert_int_eq(now, 2700);
    ck_assert(!wait_saw(&w, BUSY, now));
    ck_assert_int_eq(w.next_look, now + 2000);
}
END_TEST

/* Esc fires no hook. */
START_TEST(what_no_event_tells_is_seen) {
    struct wait_state w;

    wait_begin(&w, WAIT_FOR_IDLE);
    w.hears = true;
    wait_heard(&w, "PreToolUse", 900);
    ck_assert(!wait_saw(&w, BUSY, 1000));
    ck_assert(!wait_saw(&w, IDLE, w.next_look));
    ck_assert(wait_saw(&w, IDLE, w.next_look));
}
END_TEST

START_TEST(without_hooks_it_looks_more_often) {
    struct wait_state w;

    wait_begin(&w, WAIT_FOR_EXIT);
    ck_assert(!wait_saw(&w, IDLE, 1000));
    ck_assert_int_eq(w.next_look, 2000);
    wait_missed(&w, 2000);
    ck_assert_int_eq(w.next_look, 3000);
}
END_TEST

START_TEST(silence_is_no_answer) {
    struct wait_state w;

    wait_begin(&w, WAIT_FOR_IDLE);
    ck_assert(!wait_saw(&w, IDLE, 1000));
    wait_missed(&w, 1300);
    ck_assert(!wait_saw(&w, IDLE, 2300));
}
END_TEST

static int64_t duration(const char *text) {
    int64_t ms = -7;
    int status = cli_parse_duration("timeout", text, &ms);

    ck_assert_int_eq(status, ms == -7 ? EXIT_USAGE : -1);
    return ms;
}

START_TEST(times) {
    static const char *const bad[] = {"",
                                      "s",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1.5",
                                      "1d",
                                      "1ss",
                                      "0x10",
                                      "1s ",
                                      "1S",
                                      "x",
                                      "1000000001",
                                      "1h1m",
                                      "300000h",
                                      "99999999999999999999"};

    ck_assert_int_eq(duration("0"), 0);
    ck_assert_int_eq(duration("90"), 90000);
    ck_assert_int_eq(duration("90s"), 90000);
    ck_assert_int_eq(duration("10m"), 600000);
    ck_assert_int_eq(duration("2h"), 7200000);
    ck_assert_int_eq(duration("1000000000"), 1000000000000);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        ck_assert_int_eq(duration(bad[i]), -7);
    }
}
END_TEST

Suite *wait_state_suite(void);
Suite *wait_state_suite(void) {
    Suite *s = suite_create("wait_state");
    TCase *tc = test_case(s, "wait_state");

    tcase_add_test(tc, what_each_goal_is);
    tcase_add_test(tc, idle_for_a_moment_is_not_idle);
    tcase_add_test(tc, work_that_is_heard_of_takes_it_back);
    tcase_add_test(tc, a_prompt_counts_before_it_is_seen);
    tcase_add_test(tc, the_end_of_a_turn_is_looked_at_at_once);
    tcase_add_test(tc, what_no_event_tells_is_seen);
    tcase_add_test(tc, without_hooks_it_looks_more_often);
    tcase_add_test(tc, silence_is_no_answer);
    tcase_add_test(tc, times);
    return s;
}
