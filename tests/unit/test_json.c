/* SPDX-License-Identifier: MIT */
#include "core/json.h"

#include <string.h>

#include "support.h"

START_TEST(only_objects_are_taken) {
    static const char *const bad[] = {
        "",
        " ",
        "[]",
        "1",
        "null",
        "\"x\"",
        "{",
        "{}x",
        "{\"a\": }",
        "{\"a\": 1, \"a\": 2}",
        "{\"a\": \"\\u0000\"}",
        "{\"a\": \"\xff\"}",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CSB__AUTOERROR csb_error *e = NULL;
        json_t *json = NULL;

        ck_assert_msg(csb__json_parse(bad[i], strlen(bad[i]), &json, &e) == CSB_EPROTOCOL,
                      "accepted: %s", bad[i]);
        ck_assert_ptr_null(json);
        test_check_error(e, CSB_EPROTOCOL, "JSON");
    }
}
END_TEST

START_TEST(the_line_is_said) {
    const char *text = "{\"a\": 1,\n\"b\": 2,\n oops}";
    CSB__AUTOERROR csb_error *e = NULL;
    json_t *json = NULL;

    ck_assert_int_eq(csb__json_parse(text, strlen(text), &json, &e), CSB_EPROTOCOL);
    test_check_error(e, CSB_EPROTOCOL, "line 3");
}
END_TEST

START_TEST(members_of_another_type_are_missing) {
    const char *text = "{\"s\": \"x\", \"i\": -5, \"r\": 1.5, \"b\": true, \"n\": null}";
    CSB__AUTOJSON *json = NULL;

    ck_assert_int_eq(csb__json_parse(text, strlen(text), &json, NULL), 0);
    ck_assert_str_eq(csb__json_string(json, "s", "m"), "x");
    ck_assert_str_eq(csb__json_string(json, "i", "m"), "m");
    ck_assert_str_eq(csb__json_string(json, "none", "m"), "m");
    ck_assert_ptr_null(csb__json_string(json, "n", NULL));
    ck_assert_int_eq(csb__json_int(json, "i", 9), -5);
    ck_assert_int_eq(csb__json_int(json, "s", 9), 9);
    ck_assert_int_eq(csb__json_int(json, "r", 9), 9);
    ck_assert_int_eq(csb__json_int(json, "b", 9), 9);
    ck_assert_int_eq(csb__json_int(json, "none", 9), 9);
}
END_TEST

Suite *json_suite(void);
Suite *json_suite(void) {
    Suite *s = suite_create("json");
    TCase *tc = test_case(s, "json");

    tcase_add_test(tc, only_objects_are_taken);
    tcase_add_test(tc, the_line_is_said);
    tcase_add_test(tc, members_of_another_type_are_missing);
    return s;
}
