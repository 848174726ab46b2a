/* SPDX-License-Identifier: MIT */
#include "hooks/verdict.h"

#include <stdio.h>

#include "support.h"

/* One listener's answer: a decision, its reason and a context; "" for none. */
struct said {
    char decision; /* '-', 'a'llow, as'k', 'd'eny */
    const char *reason;
    const char *context;
    const char *input;
};

static void say(csb_reply *verdict, const struct said *said) {
    csb_reply reply = {.event = "PreToolUse"};
    int rc = 0;

    if (said->context) {
        rc += csb_reply_context(&reply, said->context, NULL);
    }
    if (said->input) {
        rc += csb_reply_input(&reply, said->input, NULL);
    }
    switch (said->decision) {
    case 'a':
        rc += csb_reply_allow(&reply, NULL);
        break;
    case 'k':
        rc += csb_reply_ask(&reply, said->reason, NULL);
        break;
    case 'd':
        rc += csb_reply_deny(&reply, said->reason, NULL);
        break;
    default:
        break;
    }
    ck_assert_int_eq(rc, 0);
    csb__verdict_add(verdict, &reply);
    ck_assert_ptr_null(reply.reason);
}

static void check_verdict(const struct said *all, size_t n, const char *expected) {
    CSB__AUTOSTRBUF json = CSB__STRBUF_INIT;
    csb_reply verdict = {.event = "PreToolUse"};

    for (size_t i = 0; i < n; i++) {
        say(&verdict, &all[i]);
    }
    csb__reply_format(&verdict, &json);
    ck_assert_str_eq(csb__strbuf_text(&json), expected);
    csb__reply_finish(&verdict);
}

#define OUTPUT(text) "{\"hookSpecificOutput\":{\"hookEventName\":\"PreToolUse\"" text "}}"

START_TEST(the_more_careful_one_wins) {
    const struct said denied[] = {{'a', NULL, NULL, NULL},
                                  {'d', "no", NULL, NULL},
                                  {'k', "sure?", NULL, NULL},
                                  {'d', "never", NULL, NULL}};
    const struct said asked[] = {
        {'k', "sure?", NULL, NULL}, {'a', NULL, NULL, NULL}, {'-', NULL, NULL, NULL}};
    const struct said allowed[] = {{'-', NULL, NULL, NULL}, {'a', NULL, NULL, NULL}};

    check_verdict(denied, 4,
                  OUTPUT(",\"permissionDecision\":\"deny\","
                         "\"permissionDecisionReason\":\"no\""));
    check_verdict(asked, 3,
                  OUTPUT(",\"permissionDecision\":\"ask\","
                         "\"permissionDecisionReason\":\"sure?\""));
    check_verdict(allowed, 2, OUTPUT(",\"permissionDecision\":\"allow\""));
    check_verdict(NULL, 0, "{}");
}
END_TEST

START_TEST(what_is_told_besides_is_joined) {
    const struct said all[] = {{'-', NULL, "one", NULL},
                               {'d', "no", NULL, NULL},
                               {'-', NULL, "caf\xc3\xa9", NULL},
                               {'-', NULL, "three", NULL}};

    check_verdict(all, 4,
                  OUTPUT(",\"permissionDecision\":\"deny\","
                         "\"permissionDecisionReason\":\"no\","
                         "\"additionalContext\":\"one\\ncaf\xc3\xa9\\nthree\""));
}
END_TEST

START_TEST(the_first_input_counts) {
    const struct said all[] = {
        {'a', NULL, NULL, NULL}, {'-', NULL, NULL, "{\"n\": 1}"}, {'-', NULL, NULL, "{\"n\": 2}"}};

    check_verdict(all, 3, OUTPUT(",\"permissionDecision\":\"allow\",\"updatedInput\":{\"n\":1}"));
}
END_TEST

Suite *hooks_verdict_suite(void);
Suite *hooks_verdict_suite(void) {
    Suite *s = suite_create("hooks_verdict");
    TCase *tc = test_case(s, "hooks_verdict");

    tcase_add_test(tc, the_more_careful_one_wins);
    tcase_add_test(tc, what_is_told_besides_is_joined);
    tcase_add_test(tc, the_first_input_counts);
    return s;
}
