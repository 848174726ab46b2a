/* SPDX-License-Identifier: MIT */
#include "core/parallel.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "core/posix.h"
#include "support.h"

static void see(void *arg, size_t i) {
    ((int *)arg)[i]++;
}

START_TEST(each_is_done_once) {
    static const size_t counts[] = {0, 1, 15, 16, 33, 5000};

    for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
        CSB__AUTOFREE int *times = calloc(counts[k] + 1, sizeof(int));

        csb__each(counts[k], see, times);
        for (size_t i = 0; i < counts[k]; i++) {
            ck_assert_int_eq(times[i], 1);
        }
        ck_assert_int_eq(times[counts[k]], 0);
    }
}
END_TEST

static pthread_t main_thread;

static void check_signals(void *arg, size_t i) {
    int *problems = arg;
    sigset_t now;

    pthread_sigmask(SIG_SETMASK, NULL, &now);
    problems[i] = sigismember(&now, SIGINT) == pthread_equal(pthread_self(), main_thread);
    csb__sleep_ms(1);
}

/* A handler of the user's runs in the thread that called, as without helpers. */
START_TEST(helpers_take_no_signals) {
    int problems[64];

    main_thread = pthread_self();
    csb__each(64, check_signals, problems);
    for (int i = 0; i < 64; i++) {
        ck_assert_int_eq(problems[i], 0);
    }
}
END_TEST

Suite *parallel_suite(void);
Suite *parallel_suite(void) {
    Suite *s = suite_create("parallel");
    TCase *tc = test_case(s, "parallel");

    tcase_add_test(tc, each_is_done_once);
    tcase_add_test(tc, helpers_take_no_signals);
    return s;
}
