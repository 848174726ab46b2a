/* SPDX-License-Identifier: MIT */
#include "core/env.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/posix.h"
#include "support.h"

static bool is_readable(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

START_TEST(without_limits_nothing_ends) {
    TEST_AUTOENV env;

    test_env(&env);
    ck_assert_int_eq(csb__env_check(&env, "x", NULL), 0);
    csb__env_begin(&env, -1);
    ck_assert_int_eq(csb__env_deadline(&env, -1), -1);
    ck_assert_int_eq(csb__env_check(&env, "x", NULL), 0);
}
END_TEST

START_TEST(time_runs_out) {
    TEST_AUTOENV env;
    CSB__AUTOERROR csb_error *e = NULL;

    test_env(&env);
    csb__env_begin(&env, 0);
    ck_assert_int_eq(csb__env_check(&env, "baking", &e), CSB_ETIMEOUT);
    test_check_error(e, CSB_ETIMEOUT, "while baking");
}
END_TEST

START_TEST(the_user_decides_how_long) {
    TEST_AUTOENV env;
    int64_t now;

    test_env(&env);
    env.timeout_ms = 5000;
    now = csb__now_ms();
    csb__env_begin(&env, 0);
    ck_assert_int_ge(env.deadline, now + 5000);
    ck_assert_int_eq(csb__env_check(&env, "x", NULL), 0);
    env.timeout_ms = -1;
    csb__env_begin(&env, 0);
    ck_assert_int_eq(env.deadline, -1);
}
END_TEST

START_TEST(the_earlier_deadline_counts) {
    TEST_AUTOENV env;
    int64_t now = csb__now_ms();

    test_env(&env);
    csb__env_begin(&env, 100000);
    ck_assert_int_eq(csb__env_deadline(&env, -1), env.deadline);
    ck_assert_int_eq(csb__env_deadline(&env, 200000), env.deadline);
    ck_assert_int_lt(csb__env_deadline(&env, 1000), env.deadline);
    ck_assert_int_ge(csb__env_deadline(&env, 1000), now + 1000);
    env.deadline = -1;
    ck_assert_int_ge(csb__env_deadline(&env, 1000), now + 1000);
}
END_TEST

START_TEST(one_cancel_ends_one_call) {
    TEST_AUTOENV env;
    CSB__AUTOERROR csb_error *e = NULL;

    test_env(&env);
    csb__env_cancel(&env);
    csb__env_cancel(&env);
    ck_assert(is_readable(env.cancel_pipe[0]));
    ck_assert_int_eq(csb__env_check(&env, "x", &e), CSB_ECANCELED);
    test_check_error(e, CSB_ECANCELED, "cancelled");
    ck_assert_int_eq(csb__env_check(&env, "x", NULL), 0);
    ck_assert(!is_readable(env.cancel_pipe[0]));
}
END_TEST

START_TEST(more_cancels_than_a_pipe_holds) {
    TEST_AUTOENV env;

    test_env(&env);
    for (int i = 0; i < 70000; i++) {
        csb__env_cancel(&env);
    }
    ck_assert_int_eq(csb__env_check(&env, "x", NULL), CSB_ECANCELED);
    ck_assert_int_eq(csb__env_check(&env, "x", NULL), 0);
    ck_assert(!is_readable(env.cancel_pipe[0]));
}
END_TEST

START_TEST(a_shield_holds_cancels_back) {
    TEST_AUTOENV env;
    int64_t saved;

    test_env(&env);
    csb__env_begin(&env, 0);
    csb__env_cancel(&env);
    saved = csb__env_shield(&env, 60000);
    ck_assert_int_eq(csb__env_check(&env, "x", NULL), 0);
    ck_assert_int_eq(csb__env_wait(&env, 1, "x", NULL), 0);
    csb__env_unshield(&env, saved);
    ck_assert_int_eq(csb__env_check(&env, "x", NULL), CSB_ECANCELED);
    ck_assert_int_eq(csb__env_check(&env, "x", NULL), CSB_ETIMEOUT);
}
END_TEST

static void *cancel_soon(void *arg) {
    csb__sleep_ms(30);
    csb__env_cancel(arg);
    return NULL;
}

START_TEST(waiting_ends_with_a_cancel) {
    TEST_AUTOENV env;
    pthread_t thread;
    int64_t start = csb__now_ms();

    test_env(&env);
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_soon, &env), 0);
    ck_assert_int_eq(csb__env_wait(&env, 60000, "x", NULL), CSB_ECANCELED);
    ck_assert_int_lt(csb__now_ms() - start, 30000);
    pthread_join(thread, NULL);
}
END_TEST

START_TEST(waiting_takes_its_time) {
    TEST_AUTOENV env;
    int64_t start = csb__now_ms();

    test_env(&env);
    ck_assert_int_eq(csb__env_wait(&env, 50, "x", NULL), 0);
    ck_assert_int_ge(csb__now_ms() - start, 49);
    csb__env_begin(&env, 30);
    ck_assert_int_eq(csb__env_wait(&env, 60000, "x", NULL), CSB_ETIMEOUT);
    ck_assert_int_lt(csb__now_ms() - start, 30000);
}
END_TEST

struct race {
    struct csb__env env;
    atomic_int round; /* the main thread's; the other follows */
    atomic_int done;
};

#define ROUNDS 3000

static void *cancel_each_round(void *arg) {
    struct race *r = arg;

    for (int i = 1; i <= ROUNDS; i++) {
        while (atomic_load(&r->round) < i) {
        }
        csb__env_cancel(&r->env);
        atomic_store(&r->done, i);
    }
    return NULL;
}

/* What a cancel leaves behind would make every later wait spin, or end a later call. */
START_TEST(a_cancel_is_taken_whole) {
    static struct race r;
    pthread_t thread;

    test_env(&r.env);
    atomic_store(&r.round, 0);
    atomic_store(&r.done, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_each_round, &r), 0);
    for (int i = 1; i <= ROUNDS; i++) {
        atomic_store(&r.round, i);
        while (csb__env_check(&r.env, "x", NULL) != CSB_ECANCELED) {
        }
        while (atomic_load(&r.done) < i) {
        }
        ck_assert_int_eq(csb__env_check(&r.env, "x", NULL), 0);
        ck_assert_msg(!is_readable(r.env.cancel_pipe[0]), "left behind in round %d", i);
    }
    pthread_join(thread, NULL);
    csb__env_finish(&r.env);
}
END_TEST

struct heard {
    int level;
    int step;
    int steps;
    char text[64];
};

static void hear_log(int level, const char *text, void *userdata) {
    struct heard *h = userdata;

    h->level = level;
    snprintf(h->text, sizeof(h->text), "%s", text);
}

static void hear_progress(int step, int steps, const char *text, void *userdata) {
    struct heard *h = userdata;

    h->step = step;
    h->steps = steps;
    snprintf(h->text, sizeof(h->text), "%s", text);
}

START_TEST(talk_goes_to_the_caller) {
    TEST_AUTOENV env;
    struct heard log = {0};
    struct heard progress = {0};

    test_env(&env);
    csb__log(&env, CSB_LOG_DEBUG, "nobody %s", "listens");
    csb__progress(&env, 1, 2, "nobody");
    env.log = hear_log;
    env.log_userdata = &log;
    env.progress = hear_progress;
    env.progress_userdata = &progress;
    csb__log(&env, CSB_LOG_DEBUG, "%d%%s", 5);
    ck_assert_str_eq(log.text, "5%s");
    ck_assert_int_eq(log.level, CSB_LOG_DEBUG);
    csb__progress(&env, 3, 7, "100% of it");
    ck_assert_str_eq(progress.text, "100% of it");
    ck_assert_int_eq(progress.step, 3);
    ck_assert_int_eq(progress.steps, 7);
    /* Said once: to the log only where nobody asked for progress. */
    ck_assert_str_eq(log.text, "5%s");
    env.progress = NULL;
    csb__progress(&env, 3, 7, "100% of it");
    ck_assert_str_eq(log.text, "100% of it");
}
END_TEST

Suite *env_suite(void);
Suite *env_suite(void) {
    Suite *s = suite_create("env");
    TCase *tc = test_case(s, "env");

    tcase_add_test(tc, without_limits_nothing_ends);
    tcase_add_test(tc, time_runs_out);
    tcase_add_test(tc, the_user_decides_how_long);
    tcase_add_test(tc, the_earlier_deadline_counts);
    tcase_add_test(tc, one_cancel_ends_one_call);
    tcase_add_test(tc, more_cancels_than_a_pipe_holds);
    tcase_add_test(tc, a_shield_holds_cancels_back);
    tcase_add_test(tc, waiting_ends_with_a_cancel);
    tcase_add_test(tc, waiting_takes_its_time);
    tcase_add_test(tc, a_cancel_is_taken_whole);
    tcase_add_test(tc, talk_goes_to_the_caller);
    return s;
}
