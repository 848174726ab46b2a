/* SPDX-License-Identifier: MIT */
#include "core/json_scan.h"

#include <string.h>

#include "core/json.h"
#include "core/strbuf.h"
#include "support.h"

static bool scans(const char *text) {
    return csb__json_scan(text, strlen(text), NULL, NULL);
}

START_TEST(objects_are_taken) {
    static const char *const good[] = {
        "{}",
        " { } \n",
        "{\"a\":1}",
        "{\"a\":[],\"b\":{},\"c\":[[{}]]}",
        "{\"a\":-0.5e+10,\"b\":0,\"c\":1E9}",
        "{\"a\":true,\"b\":false,\"c\":null}",
        "{\"\\u00e9\\n\\\"\\\\\\/\":\"\xc3\xa9\"}",
        "{\"a\":\"\\ud83d\"}", /* JavaScript cuts characters in two */
        "{\"a\":{\"b\":[1,{\"c\":2}, 3]},\"d\":\"x\"}",
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        ck_assert_msg(scans(good[i]), "%s", good[i]);
    }
}
END_TEST

START_TEST(anything_else_is_refused) {
    static const char *const bad[] = {
        "",
        " ",
        "[]",
        "null",
        "1",
        "\"a\"",
        "{",
        "}",
        "{}x",
        "{}{}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{'a':1}",
        "{1:1}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":+1}",
        "{\"a\":-}",
        "{\"a\":1e}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":tru}",
        "{\"a\":[1,]}",
        "{\"a\":[1}",
        "{\"a\":{]}",
        "{\"a\":[}}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"x}",
        "{\"a\":\"x\\\"}",
        "\xef\xbb\xbf{}",
        "{\"a\":1 /* x */}",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        ck_assert_msg(!scans(bad[i]), "%s", bad[i]);
    }
    ck_assert(!csb__json_scan("{\"a\":\"\0\"}", 9, NULL, NULL));
    ck_assert(!csb__json_scan("{}\0", 3, NULL, NULL));
}
END_TEST

static void nest(struct csb__strbuf *out, size_t depth, const char *open, const char *close) {
    csb__strbuf_puts(out, "{\"a\":");
    for (size_t i = 0; i < depth; i++) {
        csb__strbuf_puts(out, open);
    }
    csb__strbuf_puts(out, "1");
    for (size_t i = 0; i < depth; i++) {
        csb__strbuf_puts(out, close);
    }
    csb__strbuf_puts(out, "}");
}

/* Long strings are looked at in blocks. */
START_TEST(a_string_is_judged_the_same_wherever_its_odd_byte_lies) {
    static const struct {
        const char *odd;
        bool good;
    } cases[] = {
        {"x", true},
        {"\\\"", true},
        {"\\n", true},
        {"\xc3\xa9", true},
        {"\x7f", true},
        {"\"", false},
        {"\x1f", false},
        {"\n", false},
        {"\x80", false},
        {"\xff", false},
        {"\xc3", false},
        {"\\x", false},
        {"\xed\xa0\x80", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        for (size_t at = 0; at < 100; at++) {
            CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;

            csb__strbuf_puts(&text, "{\"a\":\"");
            for (size_t n = 0; n < 100; n++) {
                csb__strbuf_puts(&text, n == at ? cases[i].odd : " ");
            }
            csb__strbuf_puts(&text, "\"}");
            ck_assert_msg(scans(csb__strbuf_text(&text)) == cases[i].good, "case %zu at %zu", i,
                          at);
        }
    }
}
END_TEST

START_TEST(depth_has_an_end) {
    static const size_t depths[] = {CSB__JSON_DEPTH_MAX, CSB__JSON_DEPTH_MAX + 1, 100000};

    for (size_t i = 0; i < 3; i++) {
        CSB__AUTOSTRBUF arrays = CSB__STRBUF_INIT;
        CSB__AUTOSTRBUF objects = CSB__STRBUF_INIT;

        nest(&arrays, depths[i], "[", "]");
        nest(&objects, depths[i], "{\"b\":", "}");
        ck_assert_int_eq(scans(arrays.data), i == 0);
        ck_assert_int_eq(scans(objects.data), i == 0);
    }
}
END_TEST

/* Both say the same of damaged texts, but for what we know to differ. */
START_TEST(it_agrees_with_jansson) {
    static const char seed_text[] = "{\"session_id\":\"x\\n\\u00e9\",\"n\":[1,-2.5e3,true,null,{"
                                    "\"k\":\"v\"}],\"s\":\"\xc3\xa9\"}";
    unsigned seed = 7;
    char text[sizeof(seed_text)];
    int taken = 0;

    for (int i = 0; i < 20000; i++) {
        json_t *json;
        bool ours;

        memcpy(text, seed_text, sizeof(text));
        for (unsigned n = test_random(&seed) % 3 + 1; n > 0; n--) {
            static const char bytes[] = "{}[]\",:\\ux019e-+. \n\xc3\xa9t";

            text[test_random(&seed) % (sizeof(text) - 1)] =
                bytes[test_random(&seed) % (sizeof(bytes) - 1)];
        }
        json = json_loadb(text, strlen(text), 0, NULL);
        ours = scans(text);
        /* Numbers out of range and half pairs are jansson's own complaints. */
        if (json || !ours) {
            ck_assert_msg(json_is_object(json) == ours, "%s", text);
        }
        taken += ours;
        json_decref(json);
    }
    ck_assert_int_gt(taken, 1000);
}
END_TEST

static bool note(struct csb__json_slice key, struct csb__json_slice value, void *userdata) {
    struct csb__strbuf *out = userdata;

    csb__strbuf_printf(out, "%.*s=%.*s;", (int)key.len, key.text, (int)value.len, value.text);
    return !csb__json_is(key, "stop");
}

START_TEST(outermost_members_are_told) {
    CSB__AUTOSTRBUF out = CSB__STRBUF_INIT;
    const char *text = " {\"a\" : \"x\" , \"b\":{\"a\":[2]},\"c\":-1 } ";

    ck_assert(csb__json_scan(text, strlen(text), note, &out));
    ck_assert_str_eq(out.data, "\"a\"=\"x\";\"b\"={\"a\":[2]};\"c\"=-1;");
    text = "{\"stop\":1,\"b\":2}";
    ck_assert(!csb__json_scan(text, strlen(text), note, &out));
}
END_TEST

static void check_decoded(const char *json, const char *wanted) {
    CSB__AUTOFREE char *text = csb__json_decode((struct csb__json_slice){json, strlen(json)});

    ck_assert_pstr_eq(text, wanted);
}

START_TEST(strings_are_decoded) {
    check_decoded("\"\"", "");
    check_decoded("\"plain \xc3\xa9\"", "plain \xc3\xa9");
    check_decoded("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t");
    check_decoded("\"\\u00e9\\u20AC\"", "\xc3\xa9\xe2\x82\xac");
    check_decoded("\"\\ud83d\\ude00!\"", "\xf0\x9f\x98\x80!");
    check_decoded("\"\\ud83d\"", "\xef\xbf\xbd");
    check_decoded("\"\\ud83dx\"", "\xef\xbf\xbdx");
    check_decoded("\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
                                        "A");
    check_decoded("\"a\\u0000b\"", "a\xef\xbf\xbd"
                                   "b");
    check_decoded("12", NULL);
    check_decoded("{}", NULL);
    check_decoded("null", NULL);
}
END_TEST

START_TEST(keys_are_compared_by_what_they_say) {
    struct csb__json_slice plain = {"\"tool\"", 6};
    struct csb__json_slice escaped = {"\"t\\u006fol\"", 11};
    struct csb__json_slice other = {"\"tools\"", 7};

    ck_assert(csb__json_is(plain, "tool"));
    ck_assert(csb__json_is(escaped, "tool"));
    ck_assert(!csb__json_is(other, "tool"));
    ck_assert(!csb__json_is(plain, "tools"));
    ck_assert(csb__json_same(plain, escaped));
    ck_assert(!csb__json_same(other, escaped));
    ck_assert(!csb__json_same(other, plain));
}
END_TEST

Suite *json_scan_suite(void);
Suite *json_scan_suite(void) {
    Suite *s = suite_create("json_scan");
    TCase *tc = test_case(s, "json_scan");

    tcase_add_test(tc, objects_are_taken);
    tcase_add_test(tc, anything_else_is_refused);
    tcase_add_test(tc, a_string_is_judged_the_same_wherever_its_odd_byte_lies);
    tcase_add_test(tc, depth_has_an_end);
    tcase_add_test(tc, it_agrees_with_jansson);
    tcase_add_test(tc, outermost_members_are_told);
    tcase_add_test(tc, strings_are_decoded);
    tcase_add_test(tc, keys_are_compared_by_what_they_say);
    return s;
}
