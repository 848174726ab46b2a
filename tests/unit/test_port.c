/* SPDX-License-Identifier: MIT */
#include "model/port.h"

#include "support.h"

START_TEST(what_is_a_set_of_ports) {
    static const struct csb__port good[] = {{1, 65535}, {65535, 1}, {80, 80}, {81, 80}};
    static const struct csb__port zero_host[] = {{80, 80}, {0, 80}};
    static const struct csb__port zero_guest[] = {{80, 0}};
    static const struct csb__port twice[] = {{80, 80}, {81, 81}, {80, 82}};
    struct csb__port many[CSB__PORTS_MAX + 1];
    CSB__AUTOERROR csb_error *e = NULL;

    for (uint16_t i = 0; i <= CSB__PORTS_MAX; i++) {
        many[i] = (struct csb__port){(uint16_t)(1000 + i), 80};
    }
    ck_assert_int_eq(csb__ports_check(NULL, 0, NULL), 0);
    ck_assert_int_eq(csb__ports_check(good, 4, NULL), 0);
    ck_assert_int_eq(csb__ports_check(zero_host, 2, NULL), CSB_EINVAL);
    ck_assert_int_eq(csb__ports_check(zero_guest, 1, NULL), CSB_EINVAL);
    ck_assert_int_eq(csb__ports_check(twice, 3, &e), CSB_EINVAL);
    test_check_error(e, CSB_EINVAL, "port 80 of the host is given twice");
    ck_assert_int_eq(csb__ports_check(many, CSB__PORTS_MAX, NULL), 0);
    ck_assert_int_eq(csb__ports_check(many, CSB__PORTS_MAX + 1, NULL), CSB_EINVAL);
}
END_TEST

START_TEST(equal_sets) {
    static const struct csb__port a[] = {{1, 2}, {3, 4}};
    static const struct csb__port other_guest[] = {{1, 2}, {3, 5}};
    static const struct csb__port other_host[] = {{1, 2}, {4, 4}};

    ck_assert(csb__ports_equal(NULL, 0, NULL, 0));
    ck_assert(csb__ports_equal(a, 2, a, 2));
    ck_assert(!csb__ports_equal(a, 2, a, 1));
    ck_assert(!csb__ports_equal(a, 2, other_guest, 2));
    ck_assert(!csb__ports_equal(a, 2, other_host, 2));
}
END_TEST

Suite *port_suite(void);
Suite *port_suite(void) {
    Suite *s = suite_create("port");
    TCase *tc = test_case(s, "port");

    tcase_add_test(tc, what_is_a_set_of_ports);
    tcase_add_test(tc, equal_sets);
    return s;
}
