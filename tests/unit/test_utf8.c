/* SPDX-License-Identifier: MIT */
#include "core/utf8.h"

#include <string.h>

#include "support.h"

static size_t length(const char *text) {
    return csb__utf8_length(text, strlen(text));
}

START_TEST(characters_have_lengths) {
    ck_assert_uint_eq(length("a"), 1);
    ck_assert_uint_eq(length("\xc3\xa9t"), 2);
    ck_assert_uint_eq(length("\xe2\x82\xac"), 3);
    ck_assert_uint_eq(length("\xf0\x9f\x98\x80"), 4);
    ck_assert_uint_eq(length("\xed\x9f\xbf"), 3);
    ck_assert_uint_eq(length("\xee\x80\x80"), 3);
    ck_assert_uint_eq(length("\xf4\x8f\xbf\xbf"), 4);
}
END_TEST

START_TEST(what_is_none_has_no_length) {
    static const char *const bad[] = {
        "\x80",             /* a tail alone */
        "\xc3",             /* cut off */
        "\xe2\x82",         /* likewise */
        "\xc3(",            /* no tail */
        "\xc0\xaf",         /* overlong, 2 */
        "\xe0\x9f\xbf",     /* overlong, 3 */
        "\xf0\x8f\xbf\xbf", /* overlong, 4 */
        "\xed\xa0\x80",     /* a surrogate */
        "\xf4\x90\x80\x80", /* beyond the last */
        "\xf5\x80\x80\x80",
        "\xff",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        ck_assert_uint_eq(length(bad[i]), 0);
    }
    ck_assert_uint_eq(csb__utf8_length("a", 0), 0);
}
END_TEST

START_TEST(no_terminal_obeys_what_is_tame) {
    char text[] = "a\x1b[31m\xc2\x9b \xc3\xa9\xe0\x82\x9b\x7f\n";

    ck_assert(!csb__utf8_is_tame(text));
    csb__utf8_tame(text);
    ck_assert_str_eq(text, "a?[31m?? \xc3\xa9?????");
    ck_assert(csb__utf8_is_tame(text));
    ck_assert(csb__utf8_is_tame(""));
}
END_TEST

START_TEST(codes_become_characters) {
    CSB__AUTOSTRBUF out = CSB__STRBUF_INIT;

    csb__utf8_add(&out, 'a');
    csb__utf8_add(&out, 0xe9);
    csb__utf8_add(&out, 0x20ac);
    csb__utf8_add(&out, 0x1f600);
    csb__utf8_add(&out, 0);
    csb__utf8_add(&out, 0xd800);
    csb__utf8_add(&out, 0x110000);
    ck_assert_str_eq(out.data, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"
                               "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}
END_TEST

Suite *utf8_suite(void);
Suite *utf8_suite(void) {
    Suite *s = suite_create("utf8");
    TCase *tc = test_case(s, "utf8");

    tcase_add_test(tc, characters_have_lengths);
    tcase_add_test(tc, what_is_none_has_no_length);
    tcase_add_test(tc, no_terminal_obeys_what_is_tame);
    tcase_add_test(tc, codes_become_characters);
    return s;
}
