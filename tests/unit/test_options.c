/* SPDX-License-Identifier: MIT */
#include "core/options.h"

#include <string.h>

#include "support.h"

struct small {
    size_t size;
    int a;
    int b;
};

struct large {
    size_t size;
    int a;
    int b;
    const char *c;
};

START_TEST(none_means_defaults) {
    struct small o = {sizeof(o), 7, 8};

    ck_assert_int_eq(csb__options_load(&o, sizeof(o), NULL, NULL), 0);
    ck_assert_int_eq(o.a, 7);
    ck_assert_int_eq(o.b, 8);
}
END_TEST

START_TEST(the_same_size_is_copied) {
    struct small o = {sizeof(o), 7, 8};
    const struct small given = {sizeof(given), 1, 0};

    ck_assert_int_eq(csb__options_load(&o, sizeof(o), &given, NULL), 0);
    ck_assert_int_eq(o.a, 1);
    ck_assert_int_eq(o.b, 0);
}
END_TEST

START_TEST(an_older_caller_leaves_the_rest_alone) {
    struct large o = {sizeof(o), 7, 8, "default"};
    const struct small given = {sizeof(given), 1, 2};

    ck_assert_int_eq(csb__options_load(&o, sizeof(o), &given, NULL), 0);
    ck_assert_int_eq(o.a, 1);
    ck_assert_int_eq(o.b, 2);
    ck_assert_str_eq(o.c, "default");
    /* Ours from here on: whoever looks at the size sees ours. */
    ck_assert_uint_eq(o.size, sizeof(o));
}
END_TEST

START_TEST(a_newer_caller_may_not_use_what_is_new) {
    struct small o = {sizeof(o), 7, 8};
    struct large given = {sizeof(given), 1, 2, NULL};
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_int_eq(csb__options_load(&o, sizeof(o), &given, NULL), 0);
    ck_assert_int_eq(o.a, 1);
    ck_assert_uint_eq(o.size, sizeof(o));
    given.c = "new";
    ck_assert_int_eq(csb__options_load(&o, sizeof(o), &given, &e), CSB_EINVAL);
    test_check_error(e, CSB_EINVAL, "does not know");
}
END_TEST

START_TEST(a_size_is_needed) {
    static const size_t sizes[] = {0, 1, sizeof(size_t) - 1, 65537, (size_t)-1};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct small o = {sizeof(o), 7, 8};
        const struct small given = {sizes[i], 1, 2};
        CSB__AUTOERROR csb_error *e = NULL;

        ck_assert_int_eq(csb__options_load(&o, sizeof(o), &given, &e), CSB_EINVAL);
        test_check_error(e, CSB_EINVAL, "INIT");
        ck_assert_int_eq(o.a, 7);
    }
}
END_TEST

Suite *options_suite(void);
Suite *options_suite(void) {
    Suite *s = suite_create("options");
    TCase *tc = test_case(s, "options");

    tcase_add_test(tc, none_means_defaults);
    tcase_add_test(tc, the_same_size_is_copied);
    tcase_add_test(tc, an_older_caller_leaves_the_rest_alone);
    tcase_add_test(tc, a_newer_caller_may_not_use_what_is_new);
    tcase_add_test(tc, a_size_is_needed);
    return s;
}
