/* SPDX-License-Identifier: MIT */
#include "model/fit.h"

#include "support.h"

#define GIB (UINT64_C(1) << 30)

START_TEST(no_more_processors_than_there_are) {
    ck_assert_int_eq(csb__fit_cpus(11, 8), 8);
    ck_assert_int_eq(csb__fit_cpus(8, 8), 8);
    ck_assert_int_eq(csb__fit_cpus(2, 8), 2);
    ck_assert_int_eq(csb__fit_cpus(0, 8), 0);
    ck_assert_int_eq(csb__fit_cpus(11, 0), 11);
}
END_TEST

START_TEST(the_host_keeps_some_memory) {
    static const struct {
        uint64_t wanted;
        uint64_t host;
        uint64_t gets;
    } table[] = {
        {40 * GIB, 8 * GIB, 6 * GIB},   {40 * GIB, 16 * GIB, 12 * GIB},
        {4 * GIB, 8 * GIB, 4 * GIB},    {6 * GIB, 8 * GIB, 6 * GIB},
        {16 * GIB, 6 * GIB, 4 * GIB},   {16 * GIB, 3 * GIB, 3 * GIB / 2},
        {12 * GIB, 64 * GIB, 12 * GIB}, {0, 8 * GIB, 0},
        {40 * GIB, 0, 40 * GIB},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        ck_assert_msg(csb__fit_memory(table[i].wanted, table[i].host) == table[i].gets, "row %zu",
                      i);
    }
    /* Whole MiB, whatever the host has. */
    ck_assert_uint_eq(csb__fit_memory(40 * GIB, 8 * GIB - 12345) & ((1 << 20) - 1), 0);
}
END_TEST

START_TEST(an_order_that_can_not_be_filled) {
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_int_eq(csb__fit_check(8 * GIB, 8 * GIB, NULL), 0);
    ck_assert_int_eq(csb__fit_check(0, 8 * GIB, NULL), 0);
    ck_assert_int_eq(csb__fit_check(9 * GIB, 0, NULL), 0);
    ck_assert_int_eq(csb__fit_check(8 * GIB + 1, 8 * GIB, &e), CSB_EINVAL);
    test_check_error(e, CSB_EINVAL, "8192MiB");
}
END_TEST

Suite *fit_suite(void);
Suite *fit_suite(void) {
    Suite *s = suite_create("fit");
    TCase *tc = test_case(s, "fit");

    tcase_add_test(tc, no_more_processors_than_there_are);
    tcase_add_test(tc, the_host_keeps_some_memory);
    tcase_add_test(tc, an_order_that_can_not_be_filled);
    return s;
}
