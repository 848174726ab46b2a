/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support.h"

START_TEST(codes_have_names_and_texts) {
    static const int codes[] = {
#define CODE(value, name, text) CSB_##name,
        CSB_ERROR_MAP(CODE)};
    size_t n = sizeof(codes) / sizeof(codes[0]);

    for (size_t i = 0; i < n; i++) {
        ck_assert_int_lt(codes[i], 0);
        ck_assert_str_ne(csb_error_name(codes[i]), "UNKNOWN");
        ck_assert_str_ne(csb_strerror(codes[i]), "unknown error");
        for (size_t j = 0; j < i; j++) {
            ck_assert_str_ne(csb_error_name(codes[i]), csb_error_name(codes[j]));
            ck_assert_str_ne(csb_strerror(codes[i]), csb_strerror(codes[j]));
        }
    }
    ck_assert_str_eq(csb_error_name(CSB_EINVAL), "EINVAL");
    ck_assert_str_eq(csb_strerror(CSB_EINVAL), "invalid argument");
    ck_assert_str_eq(csb_error_name(1), "UNKNOWN");
    ck_assert_str_eq(csb_error_name(0), "UNKNOWN");
}
END_TEST

START_TEST(nothing_is_said_of_null) {
    ck_assert_int_eq(csb_error_code(NULL), 0);
    ck_assert_str_eq(csb_error_message(NULL), "");
    ck_assert_str_eq(csb_error_hint(NULL), "");
    ck_assert_str_eq(csb_error_detail(NULL), "");
    ck_assert_int_eq(csb_error_errno(NULL), 0);
    ck_assert_int_eq(csb_error_exit_status(NULL), -1);
    csb_error_free(NULL);
}
END_TEST

START_TEST(the_first_error_stays) {
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_int_eq(csb__fail(NULL, CSB_EBUSY, "nobody listens"), CSB_EBUSY);
    ck_assert_int_eq(csb__fail(&e, CSB_EINVAL, "%s %d", "first", 1), CSB_EINVAL);
    ck_assert_int_eq(csb__fail(&e, CSB_EBUSY, "second"), CSB_EBUSY);
    ck_assert_int_eq(csb__fail_errno(&e, ENOENT, "third"), CSB_ESYSTEM);
    ck_assert_int_eq(csb__fail_nomem(&e), CSB_ENOMEM);
    ck_assert_int_eq(csb_error_code(e), CSB_EINVAL);
    ck_assert_str_eq(csb_error_message(e), "first 1");
    ck_assert_int_eq(csb_error_errno(e), 0);
    ck_assert_int_eq(csb_error_exit_status(e), -1);
}
END_TEST

START_TEST(what_others_say_is_quoted_tamely) {
    CSB__AUTOERROR csb_error *e = NULL;

    csb__fail(&e, CSB_EINVAL, "no %s", "\x1b]0;x\x07\xc2\x9b");
    csb__error_prepend(&e, "a\n%s", "\xff");
    csb__error_set_hint(&e, "rm %s", "\r");
    ck_assert_str_eq(csb_error_message(e), "a??: no ?]0;x???");
    ck_assert_str_eq(csb_error_hint(e), "rm ?");
}
END_TEST

START_TEST(errno_is_kept_and_said) {
    static const int numbers[] = {ENOENT, EACCES, EPIPE, ENOSPC};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        CSB__AUTOERROR csb_error *e = NULL;
        char expected[256];

        snprintf(expected, sizeof(expected), "can't open /x: %s", strerror(numbers[i]));
        ck_assert_int_eq(csb__fail_errno(&e, numbers[i], "can't open %s", "/x"), CSB_ESYSTEM);
        ck_assert_int_eq(csb_error_errno(e), numbers[i]);
        ck_assert_str_eq(csb_error_message(e), expected);
    }
    ck_assert_int_eq(csb__fail_errno(NULL, ENOMEM, "x"), CSB_ENOMEM);
    ck_assert_int_eq(csb__fail_errno(NULL, EIO, "x"), CSB_ESYSTEM);
}
END_TEST

START_TEST(context_goes_in_front) {
    CSB__AUTOERROR csb_error *e = NULL;

    csb__error_prepend(&e, "nothing to add to");
    csb__error_prepend(NULL, "nothing");
    csb__fail(&e, CSB_EENGINE, "exit 1");
    csb__error_prepend(&e, "limactl %s", "clone");
    csb__error_prepend(&e, "create \"web\"");
    ck_assert_str_eq(csb_error_message(e), "create \"web\": limactl clone: exit 1");
    csb__error_set_hint(&e, "do %s", "this");
    csb__error_set_hint(&e, "do %s", "that");
    ck_assert_str_eq(csb_error_hint(e), "do that");
}
END_TEST

START_TEST(detail_is_the_last_8_kib) {
    CSB__AUTOERROR csb_error *e = NULL;
    char text[10001];

    memset(text, 'a', sizeof(text));
    memset(text + 10000 - 8192, 'b', 8192);
    text[10000] = '\0';
    csb__fail(&e, CSB_EENGINE, "x");
    ck_assert_str_eq(csb_error_detail(e), "");
    csb__error_set_child(&e, 137, text, 10000);
    ck_assert_uint_eq(strlen(csb_error_detail(e)), 8192);
    ck_assert_ptr_null(strchr(csb_error_detail(e), 'a'));
    ck_assert_int_eq(csb_error_exit_status(e), 137);

    csb__error_set_child(&e, 3, "short", 5);
    ck_assert_str_eq(csb_error_detail(e), "short");
    csb__error_set_child(&e, 4, NULL, 0);
    ck_assert_str_eq(csb_error_detail(e), "");
    ck_assert_int_eq(csb_error_exit_status(e), 4);
}
END_TEST

START_TEST(no_memory_needs_no_memory) {
    csb_error *e = NULL;
    csb_error *other = NULL;

    ck_assert_int_eq(csb__fail_nomem(&e), CSB_ENOMEM);
    ck_assert_int_eq(csb__fail_nomem(&other), CSB_ENOMEM);
    ck_assert_ptr_eq(e, other);
    /* It is shared by all threads: nothing may change it or free it. */
    csb__error_prepend(&e, "x");
    csb__error_set_hint(&e, "x");
    csb__error_set_child(&e, 5, "x", 1);
    csb_error_free(e);
    ck_assert_str_eq(csb_error_message(other), "out of memory");
    ck_assert_str_eq(csb_error_hint(other), "");
    ck_assert_str_eq(csb_error_detail(other), "");
    ck_assert_int_eq(csb_error_exit_status(other), -1);
}
END_TEST

START_TEST(propagating_moves_or_frees) {
    CSB__AUTOERROR csb_error *e = NULL;
    csb_error *from = NULL;

    csb__fail(&from, CSB_ETIMEOUT, "late");
    ck_assert_int_eq(csb__error_propagate(&e, from), CSB_ETIMEOUT);
    ck_assert_ptr_eq(e, from);

    from = NULL;
    csb__fail(&from, CSB_EBUSY, "later");
    ck_assert_int_eq(csb__error_propagate(&e, from), CSB_EBUSY);
    ck_assert_str_eq(csb_error_message(e), "late");

    from = NULL;
    csb__fail(&from, CSB_EUSER, "nobody listens");
    ck_assert_int_eq(csb__error_propagate(NULL, from), CSB_EUSER);
    ck_assert_int_eq(csb__error_propagate(NULL, NULL), 0);
}
END_TEST

Suite *error_suite(void);
Suite *error_suite(void) {
    Suite *s = suite_create("error");
    TCase *tc = test_case(s, "error");

    tcase_add_test(tc, codes_have_names_and_texts);
    tcase_add_test(tc, nothing_is_said_of_null);
    tcase_add_test(tc, the_first_error_stays);
    tcase_add_test(tc, what_others_say_is_quoted_tamely);
    tcase_add_test(tc, errno_is_kept_and_said);
    tcase_add_test(tc, context_goes_in_front);
    tcase_add_test(tc, detail_is_the_last_8_kib);
    tcase_add_test(tc, no_memory_needs_no_memory);
    tcase_add_test(tc, propagating_moves_or_frees);
    return s;
}
