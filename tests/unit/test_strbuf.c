/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <string.h>

#include "support.h"

START_TEST(an_empty_one_is_a_text) {
    struct csb__strbuf sb = CSB__STRBUF_INIT;
    char *text;

    ck_assert_str_eq(csb__strbuf_text(&sb), "");
    csb__strbuf_keep_tail(&sb, 0);
    text = csb__strbuf_detach(&sb);
    ck_assert_str_eq(text, "");
    free(text);
    csb__strbuf_free(&sb);
}
END_TEST

START_TEST(it_grows_and_keeps_every_byte) {
    CSB__AUTOSTRBUF sb = CSB__STRBUF_INIT;

    for (int i = 0; i < 5000; i++) {
        unsigned char c = (unsigned char)i;

        csb__strbuf_add(&sb, &c, 1);
        ck_assert_int_eq(sb.data[sb.len], '\0');
    }
    ck_assert(!sb.failed);
    ck_assert_uint_eq(sb.len, 5000);
    for (int i = 0; i < 5000; i++) {
        ck_assert_int_eq((unsigned char)sb.data[i], (unsigned char)i);
    }
}
END_TEST

START_TEST(printf_and_puts_append) {
    CSB__AUTOSTRBUF sb = CSB__STRBUF_INIT;
    char *text;

    csb__strbuf_puts(&sb, "a");
    csb__strbuf_printf(&sb, "-%d-%s", 42, "b");
    csb__strbuf_add(&sb, "cde", 1);
    ck_assert_str_eq(csb__strbuf_text(&sb), "a-42-bc");
    text = csb__strbuf_detach(&sb);
    ck_assert_str_eq(text, "a-42-bc");
    ck_assert_uint_eq(sb.len, 0);
    ck_assert_ptr_null(sb.data);
    free(text);
}
END_TEST

START_TEST(the_tail_stays) {
    CSB__AUTOSTRBUF sb = CSB__STRBUF_INIT;

    csb__strbuf_puts(&sb, "0123456789");
    csb__strbuf_keep_tail(&sb, 10);
    ck_assert_str_eq(csb__strbuf_text(&sb), "0123456789");
    csb__strbuf_keep_tail(&sb, 3);
    ck_assert_str_eq(csb__strbuf_text(&sb), "789");
    csb__strbuf_keep_tail(&sb, 0);
    ck_assert_str_eq(csb__strbuf_text(&sb), "");
}
END_TEST

START_TEST(failure_sticks) {
    struct csb__strbuf sb = CSB__STRBUF_INIT;

    csb__strbuf_puts(&sb, "kept");
    csb__strbuf_add(&sb, "", SIZE_MAX / 2);
    ck_assert(sb.failed);
    csb__strbuf_puts(&sb, "more");
    csb__strbuf_printf(&sb, "%d", 1);
    ck_assert(sb.failed);
    ck_assert_str_eq(csb__strbuf_text(&sb), "kept");
    ck_assert_ptr_null(csb__strbuf_detach(&sb));
}
END_TEST

START_TEST(vectors_end_in_null) {
    CSB__AUTOSTRV sv = CSB__STRV_INIT;
    const char *const more[] = {"x", "", "y z", NULL};

    ck_assert_ptr_nonnull(csb__strv_items(&sv));
    ck_assert_ptr_null(csb__strv_items(&sv)[0]);
    for (int i = 0; i < 100; i++) {
        csb__strv_addf(&sv, "%d", i);
        ck_assert_ptr_null(csb__strv_items(&sv)[i + 1]);
    }
    csb__strv_add_all(&sv, more);
    csb__strv_add_all(&sv, NULL);
    ck_assert(!sv.failed);
    ck_assert_uint_eq(sv.len, 103);
    ck_assert_str_eq(sv.items[0], "0");
    ck_assert_str_eq(sv.items[99], "99");
    ck_assert_str_eq(sv.items[101], "");
    ck_assert_str_eq(sv.items[102], "y z");
    ck_assert_ptr_null(sv.items[103]);
}
END_TEST

START_TEST(vectors_copy) {
    CSB__AUTOSTRV sv = CSB__STRV_INIT;
    char word[] = "before";

    csb__strv_add(&sv, word);
    memcpy(word, "after!", 6);
    ck_assert_str_eq(sv.items[0], "before");
}
END_TEST

Suite *strbuf_suite(void);
Suite *strbuf_suite(void) {
    Suite *s = suite_create("strbuf");
    TCase *tc = test_case(s, "strbuf");

    tcase_add_test(tc, an_empty_one_is_a_text);
    tcase_add_test(tc, it_grows_and_keeps_every_byte);
    tcase_add_test(tc, printf_and_puts_append);
    tcase_add_test(tc, the_tail_stays);
    tcase_add_test(tc, failure_sticks);
    tcase_add_test(tc, vectors_end_in_null);
    tcase_add_test(tc, vectors_copy);
    return s;
}
