/* SPDX-License-Identifier: MIT */
#include "model/vm_name.h"

#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "support.h"

/* Lima's own words (pkg/identifiers/validate.go): alphanum, then groups behind single separators.
 * Written as the rule is, not as our code is. */
#define LIMA_RULE "^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$"

static regex_t rule;

static void compile_rule(void) {
    ck_assert_int_eq(regcomp(&rule, LIMA_RULE, REG_EXTENDED | REG_NOSUB), 0);
}

static void free_rule(void) {
    regfree(&rule);
}

static bool follows_rule(const char *name) {
    return regexec(&rule, name, 0, NULL, 0) == 0;
}

START_TEST(slugs_are_readable) {
    static const char *const table[][2] = {
        {"/home/u/web", "web"},
        {"/home/u/My Project", "my-project"},
        {"/p/--a__b..c--", "a-b-c"},
        {"/p/\xe6\x97\xa5\xe6\x9c\xac", "project"},
        {"/p/caf\xc3\xa9-1", "caf-1"},
        {"/p/---", "project"},
        {"/p/", "project"},
        {"/", "project"},
        {"/p/...", "project"},
        {"/p/.hidden", "hidden"},
        {"/p/a\nb", "a-b"},
        {"/p/x.yaml", "x-yaml"},
        {"/p/0123456789012345678901234567890123456789", "01234567890123456789"},
        {"/p/0123456789012345678-012345", "0123456789012345678"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char name[CSB__NAME_MAX + 1];
        char digits[9];
        char expected[128];

        csb__hash8(table[i][0], digits);
        snprintf(expected, sizeof(expected), "claude-sandbox-%s-%s", table[i][1], digits);
        ck_assert_int_eq(csb__vm_name_for_project(table[i][0], CSB__NAME_MAX, name, NULL), 0);
        ck_assert_str_eq(name, expected);
    }
}
END_TEST

START_TEST(one_project_one_name) {
    char a[CSB__NAME_MAX + 1];
    char b[CSB__NAME_MAX + 1];
    char c[CSB__NAME_MAX + 1];

    ck_assert_int_eq(csb__vm_name_for_project("/home/u/work/app", 63, a, NULL), 0);
    ck_assert_int_eq(csb__vm_name_for_project("/home/u/play/app", 63, b, NULL), 0);
    ck_assert_int_eq(csb__vm_name_for_project("/home/u/work/app", 63, c, NULL), 0);
    ck_assert_str_ne(a, b);
    ck_assert_str_eq(a, c);
    /* What the slug drops the hash sees. */
    ck_assert_int_eq(csb__vm_name_for_project("/home/u/work/App", 63, b, NULL), 0);
    ck_assert_str_ne(a, b);
}
END_TEST

START_TEST(any_bytes_make_a_name) {
    unsigned state = 7;

    for (int round = 0; round < 3000; round++) {
        char path[64] = "/";
        size_t len = 1 + test_random(&state) % 60;
        size_t max = 25 + test_random(&state) % 39;
        char name[CSB__NAME_MAX + 1];

        for (size_t i = 1; i <= len; i++) {
            path[i] = (char)(1 + test_random(&state) % 255);
        }
        path[len + 1] = '\0';
        ck_assert_int_eq(csb__vm_name_for_project(path, max, name, NULL), 0);
        ck_assert_msg(follows_rule(name), "%s", name);
        ck_assert_msg(csb__vm_name_valid(name), "%s", name);
        ck_assert_uint_le(strlen(name), max);
        ck_assert_int_eq(strncmp(name, CSB__NAME_PREFIX, strlen(CSB__NAME_PREFIX)), 0);
    }
}
END_TEST

START_TEST(short_names_where_paths_are_long) {
    for (size_t max = 0; max <= 63; max++) {
        char name[CSB__NAME_MAX + 1];
        CSB__AUTOERROR csb_error *e = NULL;
        int rc = csb__vm_name_for_project("/p/abcdefghijklmnopqrstuvwxyz", max, name, &e);

        if (max <= strlen(CSB__NAME_PREFIX) + 1 + 8) {
            ck_assert_int_eq(rc, CSB_EINVAL);
            test_check_error(e, CSB_EINVAL, "too long");
            ck_assert_str_ne(csb_error_hint(e), "");
        } else {
            ck_assert_int_eq(rc, 0);
            ck_assert_uint_le(strlen(name), max);
            ck_assert(csb__vm_name_valid(name));
        }
    }
}
END_TEST

START_TEST(validity_is_limas) {
    static const char *const good[] = {"a", "A1", "a-b", "a.b_c-d", "0", "yml", "a.yml.b"};
    static const char *const bad[] = {
        "",     "-",   "-a",       "a-",    "a--b",   "a..b", "a.-b", ".a",  "a.",  "a b", "a/b",
        "../a", "a\n", "\xc3\xa9", "a.yml", "a.yaml", "a,b",  "a=b",  "a'b", "a$b", "a%b",
    };
    char longest[CSB__NAME_MAX + 2];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_msg(csb__vm_name_valid(good[i]), "refused: %s", good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!csb__vm_name_valid(bad[i]), "accepted: %s", bad[i]);
    }
    memset(longest, 'a', sizeof(longest));
    longest[CSB__NAME_MAX] = '\0';
    ck_assert(csb__vm_name_valid(longest));
    longest[CSB__NAME_MAX] = 'a';
    longest[CSB__NAME_MAX + 1] = '\0';
    ck_assert(!csb__vm_name_valid(longest));
}
END_TEST

START_TEST(validity_of_noise) {
    static const char bytes[] = "aZ9._-/ \n\xc3";
    unsigned state = 3;
    int good = 0;

    for (int round = 0; round < 20000; round++) {
        char name[8];
        size_t len = test_random(&state) % 7;

        for (size_t i = 0; i < len; i++) {
            name[i] = bytes[test_random(&state) % (sizeof(bytes) - 1)];
        }
        name[len] = '\0';
        ck_assert_msg(csb__vm_name_valid(name) == follows_rule(name), "%s", name);
        good += csb__vm_name_valid(name);
    }
    ck_assert_int_gt(good, 100);
}
END_TEST

START_TEST(hashes_are_fnv) {
    char digits[9];

    /* FNV-1a of "", its halves folded: cbf29ce4 ^ 84222325. */
    csb__hash8("", digits);
    ck_assert_str_eq(digits, "4fd0bfc1");
    csb__hash8("a", digits);
    /* af63dc4c8601ec8c */
    ck_assert_str_eq(digits, "296230c0");
}
END_TEST

Suite *vm_name_suite(void);
Suite *vm_name_suite(void) {
    Suite *s = suite_create("vm_name");
    TCase *tc = test_case(s, "vm_name");

    tcase_add_checked_fixture(tc, compile_rule, free_rule);
    tcase_add_test(tc, slugs_are_readable);
    tcase_add_test(tc, one_project_one_name);
    tcase_add_test(tc, any_bytes_make_a_name);
    tcase_add_test(tc, short_names_where_paths_are_long);
    tcase_add_test(tc, validity_is_limas);
    tcase_add_test(tc, validity_of_noise);
    tcase_add_test(tc, hashes_are_fnv);
    return s;
}
