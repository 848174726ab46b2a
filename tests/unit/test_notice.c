/* SPDX-License-Identifier: MIT */
#include "notice.h"

#include <stdio.h>
#include <string.h>

#include "hooks/event.h"
#include "safe_text.h"
#include "shorten.h"
#include "support.h"

/* What becomes of an event of a VM "web" whose project is that. */
static bool notice(const char *json, const char *project, struct notice *n) {
    struct config config;
    csb_event e;
    bool any;

    config_defaults(&config);
    ck_assert_int_eq(csb__event_parse("web", json, strlen(json), &e, NULL), 0);
    e.project = project;
    any = notice_for_event(&e, &config, n);
    csb__event_finish(&e);
    return any;
}

#define ASKS(tool, input)                                                                          \
    "{\"hook_event_name\":\"PermissionRequest\",\"tool_name\":\"" tool "\",\"tool_input\":" input  \
    "}"
#define PERMISSION "Claude asks for permission to use "

static const struct {
    const char *json;
    const char *body; /* NULL: no notice */
} events[] = {
    {"{\"hook_event_name\":\"Stop\"}", "Claude has finished"},
    {"{\"hook_event_name\":\"StopFailure\",\"error\":\"server_error\"}",
     "Claude has stopped: server_error"},
    {"{\"hook_event_name\":\"StopFailure\"}", "Claude has stopped: unknown error"},
    {"{\"hook_event_name\":\"PermissionRequest\",\"tool_name\":\"Bash\"}",
     "Claude asks for permission to use Bash"},
    {ASKS("Bash", "{\"description\":\"d\",\"command\":\"a  \\t b\\n c\\u001b[1m\\u202e\"}"),
     PERMISSION "Bash: a b \xe2\x8f\x8e c?[1m?"},
    {ASKS("Bash", "{\"command\":\"a\\u00a0\\u200b\\u3164\\u2800\\u00e4\\ud83d\\ude00z\"}"),
     PERMISSION "Bash: a????\xc3\xa4\xf0\x9f\x98\x80z"},
    {ASKS("Edit", "{\"old_string\":\"x\",\"file_path\":\"/a/b\"}"), PERMISSION "Edit: /a/b"},
    {ASKS("mcp__a__b", "{\"n\":1}"), PERMISSION "mcp__a__b: {\"n\":1}"},
    {ASKS("mcp__a__b", "{\"query\":\"x\",\"sql\":\"y\"}"),
     PERMISSION "mcp__a__b: {\"query\":\"x\",\"sql\":\"y\"}"},
    {ASKS("Bash", "{\"command\":\"a\\udb40\\udc41\\u061c\\ufe0f\\u05d0z\"}"),
     PERMISSION "Bash: a???\xd7\x90z"},
    {ASKS("Bash", "{\"command\":{\"a\":1}}"), PERMISSION "Bash: {\"command\":{\"a\":1}}"},
    {ASKS("Bash", "[1]"), PERMISSION "Bash"},
    {"{\"hook_event_name\":\"Notification\",\"message\":\"F\\u00fcr dich: <b>&\\n\\tda\"}",
     "F\xc3\xbcr dich: <b>&  da"},
    {"{\"hook_event_name\":\"Notification\",\"message\":{\"a\":1}}",
     "Claude wants to tell you something"},
    {"{\"hook_event_name\":\"Notification\",\"message\":\"\\u001b]0;x\\u0007\\u202eevil\"}",
     "?]0;x??evil"},
    {"{\"hook_event_name\":\"PreToolUse\"}", NULL},
    {"{\"hook_event_name\":\"stop\"}", NULL},
    {"{}", NULL},
};

START_TEST(some_events_are_worth_a_notice) {
    struct notice n;

    ck_assert_int_eq(notice(events[_i].json, NULL, &n), events[_i].body != NULL);
    ck_assert_str_eq(n.body, events[_i].body ? events[_i].body : "");
    ck_assert_int_eq(*n.sound != 0, events[_i].body != NULL);
}
END_TEST

static void check_title(const char *project, const char *title) {
    struct notice n;

    ck_assert(notice("{\"hook_event_name\":\"Stop\",\"cwd\":\"/home/x/other\"}", project, &n));
    ck_assert_str_eq(n.title, title);
}

/* The guest's word for the project could be another one's. */
START_TEST(titles_are_of_the_host) {
    check_title(NULL, "Claude [web]");
    check_title("/home/ann/caf\xc3\xa9", "Claude [caf\xc3\xa9]");
    check_title("/home/ann/myapp///", "Claude [myapp]");
    check_title("/", "Claude [web]");
    check_title("/home/ann/a\nb", "Claude [a b]");
}
END_TEST

START_TEST(sessions_have_their_own_key) {
    struct notice a;
    struct notice b;
    struct notice c;

    ck_assert(notice("{\"hook_event_name\":\"Stop\",\"session_id\":\"1\"}", NULL, &a));
    ck_assert(notice("{\"hook_event_name\":\"StopFailure\",\"session_id\":\"1\"}", NULL, &b));
    ck_assert(notice("{\"hook_event_name\":\"Stop\",\"session_id\":\"2\"}", NULL, &c));
    ck_assert_str_eq(a.key, b.key);
    ck_assert_str_ne(a.key, c.key);
}
END_TEST

START_TEST(long_texts_are_cut) {
    CSB__AUTOFREE char *json = NULL;
    struct notice n;

    /* 150,000 times an e with an accent, which must not be cut in two. */
    ck_assert_int_ge(
        asprintf(&json, "{\"hook_event_name\":\"Notification\",\"message\":\"x%0*d\"}", 300000, 0),
        0);
    for (char *p = strstr(json, "x000") + 1; p[0] == '0'; p += 2) {
        p[0] = '\xc3';
        p[1] = '\xa9';
    }
    ck_assert(notice(json, NULL, &n));
    ck_assert_uint_lt(strlen(n.body), NOTICE_BODY_MAX);
    ck_assert_uint_gt(strlen(n.body), NOTICE_BODY_MAX - 10);
    ck_assert_str_eq(n.body + strlen(n.body) - 5, "\xc3\xa9...");
}
END_TEST

START_TEST(what_is_not_seen_is_not_allowed) {
    CSB__AUTOFREE char *json = NULL;
    struct notice n;

    for (int len = 0; len < 400; len++) {
        free(json);
        ck_assert_int_ge(asprintf(&json, ASKS("Bash", "{\"command\":\"x%0*dy\"}"), len + 1, 0), 0);
        ck_assert(notice(json, NULL, &n));
        ck_assert(n.can_ask);
        ck_assert_int_eq(n.may_allow, n.body[strlen(n.body) - 1] == 'y');
    }
    ck_assert(!n.may_allow);
    ck_assert(notice(ASKS("AskUserQuestion", "{\"a\":1}"), NULL, &n));
    ck_assert(!n.can_ask);
}
END_TEST

static void check_short(const char *json, size_t string_max, size_t size, const char *wanted) {
    char out[200] = "";

    ck_assert_uint_le(size, sizeof(out));
    ck_assert_uint_eq(shorten_json(json, strlen(json), string_max, out, size), strlen(wanted));
    ck_assert_str_eq(*wanted ? out : "", wanted);
}

START_TEST(text_is_made_safe) {
    static const char text[] = "a\t\xe2\x82\xac\xe0\x82\x9b\xed\xa0\x80\xc2\x9b\xe2\x80\xae.";
    char out[64] = "";
    FILE *f = fmemopen(out, sizeof(out), "w");

    safe_text_put(f, text, strlen(text));
    fclose(f);
    ck_assert_str_eq(out, "a\t\xe2\x82\xac????"
                          "????.");
}
END_TEST

START_TEST(json_is_shortened) {
    check_short("{ \"a\" : [1, true,\n\t\"b c\"] }", 10, 200, "{\"a\":[1,true,\"b c\"]}");
    check_short("[\"1234567890\",\"12345678901\"]", 10, 200, "[\"1234567890\",\"1234567890...\"]");
    /* Nothing is cut in two. */
    check_short("[\"12\\u00e9xyz\"]", 4, 200, "[\"12...\"]");
    check_short("[\"12\\\\\\\"xyz\"]", 4, 200, "[\"12\\\\...\"]");
    check_short("[\"123\xc3\xa9xyz\"]", 4, 200, "[\"123...\"]");
    check_short("[\"\"]", 0, 200, "[\"\"]");
    check_short("[\"1\\ud83d\\ude00xyz\"]", 8, 200, "[\"1...\"]");
    check_short("[\"1\\uD83D\\uDE00xyz\"]", 13, 200, "[\"1\\uD83D\\uDE00...\"]");
    /* Halves of characters are none. */
    check_short("[\"\\ud83d\\ud83dx\\ude00\"]", 50, 200, "[\"\\ufffd\\ufffdx\\ufffd\"]");
    /* What a terminal obeys. */
    check_short("[\"a\xc2\x9b\x7f\xe2\x80\xae\xe2\x82\xac\xc2\xa0\"]", 20, 200,
                "[\"a\\u009b\\u007f\\u202e\xe2\x82\xac\xc2\xa0\"]");
    /* All or nothing. */
    check_short("[12345]", 10, 8, "[12345]");
    check_short("[12345]", 10, 7, "");
    check_short("[\"12345\"]", 2, 9, "");
}
END_TEST

Suite *notice_suite(void);
Suite *notice_suite(void) {
    Suite *s = suite_create("notice");
    TCase *tc = test_case(s, "notice");

    tcase_add_loop_test(tc, some_events_are_worth_a_notice, 0,
                        (int)(sizeof(events) / sizeof(*events)));
    tcase_add_test(tc, titles_are_of_the_host);
    tcase_add_test(tc, sessions_have_their_own_key);
    tcase_add_test(tc, long_texts_are_cut);
    tcase_add_test(tc, text_is_made_safe);
    tcase_add_test(tc, what_is_not_seen_is_not_allowed);
    tcase_add_test(tc, json_is_shortened);
    return s;
}
