/* SPDX-License-Identifier: MIT */
#include "hooks/reply.h"

#include "support.h"

/* An answer with all that is given: reason and so on may be NULL. */
struct answer {
    const char *event;
    int (*plain)(csb_reply *, csb_error **);
    int (*decide)(csb_reply *, const char *, csb_error **);
    const char *reason;
    const char *context;
    const char *input;
    const char *wanted; /* NULL: the event does not take it */
};

#define PRE "{\"hookSpecificOutput\":{\"hookEventName\":\"PreToolUse\""

/* As in Claude Code's own words: the facts on it, "Output / decisions". */
static const struct answer answers[] = {
    {"PreToolUse", NULL, NULL, NULL, NULL, NULL, "{}"},
    {"PreToolUse", csb_reply_allow, NULL, NULL, NULL, NULL,
     PRE ",\"permissionDecision\":\"allow\"}}"},
    {"PreToolUse", NULL, csb_reply_deny, "not \"today\"", NULL, NULL,
     PRE ",\"permissionDecision\":\"deny\",\"permissionDecisionReason\":\"not \\\"today\\\"\"}}"},
    {"PreToolUse", NULL, csb_reply_block, "no", NULL, NULL,
     PRE ",\"permissionDecision\":\"deny\",\"permissionDecisionReason\":\"no\"}}"},
    {"PreToolUse", NULL, csb_reply_ask, NULL, NULL, NULL, PRE ",\"permissionDecision\":\"ask\"}}"},
    {"PreToolUse", NULL, NULL, NULL, "mind the gap", NULL,
     PRE ",\"additionalContext\":\"mind the gap\"}}"},
    {"PreToolUse", csb_reply_allow, NULL, NULL, "c", "{\"command\": \"ls\"}",
     PRE ",\"permissionDecision\":\"allow\",\"updatedInput\":{\"command\":\"ls\"},"
         "\"additionalContext\":\"c\"}}"},
    {"PermissionRequest", csb_reply_allow, NULL, NULL, NULL, NULL,
     "{\"hookSpecificOutput\":{\"hookEventName\":\"PermissionRequest\","
     "\"decision\":{\"behavior\":\"allow\"}}}"},
    {"PermissionRequest", NULL, csb_reply_deny, "no", NULL, NULL,
     "{\"hookSpecificOutput\":{\"hookEventName\":\"PermissionRequest\","
     "\"decision\":{\"behavior\":\"deny\",\"message\":\"no\"}}}"},
    {"PermissionRequest", NULL, csb_reply_ask, NULL, NULL, NULL, NULL},
    {"Stop", NULL, csb_reply_block, "run the tests", NULL, NULL,
     "{\"decision\":\"block\",\"reason\":\"run the tests\"}"},
    {"Stop", csb_reply_allow, NULL, NULL, NULL, NULL, NULL},
    {"Stop", NULL, NULL, NULL, "c", NULL, NULL},
    {"UserPromptSubmit", NULL, csb_reply_block, "no", "c", NULL,
     "{\"decision\":\"block\",\"reason\":\"no\",\"hookSpecificOutput\":"
     "{\"hookEventName\":\"UserPromptSubmit\",\"additionalContext\":\"c\"}}"},
    {"SessionStart", NULL, NULL, NULL, "c", NULL,
     "{\"hookSpecificOutput\":{\"hookEventName\":\"SessionStart\",\"additionalContext\":\"c\"}}"},
    {"SessionStart", NULL, csb_reply_block, "no", NULL, NULL, NULL},
    {"Notification", NULL, NULL, NULL, "c", NULL, NULL},
    {"", csb_reply_allow, NULL, NULL, NULL, NULL, NULL},
    {"Brand\"New", NULL, csb_reply_block, "x", NULL, NULL, NULL},
};

static int give(csb_reply *r, const struct answer *a, csb_error **err) {
    int rc = a->plain ? a->plain(r, err) : 0;

    if (rc == 0 && a->decide) {
        rc = a->decide(r, a->reason, err);
    }
    if (rc == 0 && a->context) {
        rc = csb_reply_context(r, a->context, err);
    }
    if (rc == 0 && a->input) {
        rc = csb_reply_input(r, a->input, err);
    }
    return rc;
}

START_TEST(answers_are_in_claudes_words) {
    const struct answer *a = &answers[_i];
    CSB__AUTOSTRBUF out = CSB__STRBUF_INIT;
    CSB__AUTOERROR csb_error *err = NULL;
    csb_reply r = {.event = a->event};

    ck_assert_int_eq(give(&r, a, &err), a->wanted ? 0 : CSB_ENOTSUP);
    csb__reply_format(&r, &out);
    ck_assert(!out.failed);
    ck_assert_str_eq(out.data, a->wanted ? a->wanted : "{}");
    csb__reply_finish(&r);
}
END_TEST

START_TEST(the_last_decision_counts) {
    CSB__AUTOSTRBUF out = CSB__STRBUF_INIT;
    csb_reply r = {.event = "PreToolUse"};

    ck_assert_int_eq(csb_reply_deny(&r, "no", NULL), 0);
    ck_assert_int_eq(csb_reply_allow(&r, NULL), 0);
    csb__reply_format(&r, &out);
    ck_assert_str_eq(out.data, PRE ",\"permissionDecision\":\"allow\"}}");
    csb__reply_finish(&r);
}
END_TEST

START_TEST(what_can_not_be_said_is_refused) {
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOERROR csb_error *f = NULL;
    csb_reply r = {.event = "PreToolUse"};

    ck_assert_int_eq(csb_reply_deny(&r, "\xff", NULL), CSB_EINVAL);
    ck_assert_int_eq(csb_reply_block(&r, NULL, NULL), CSB_EINVAL);
    ck_assert_int_eq(csb_reply_input(&r, "[1]", &e), CSB_EINVAL);
    test_check_error(e, CSB_EINVAL, "a tool's input");
    ck_assert_int_eq(csb_reply_input(&r, "{\"a\":", NULL), CSB_EINVAL);
    ck_assert_int_eq(r.decision, CSB__DECISION_NONE);
    r.event = "Stop";
    ck_assert_int_eq(csb_reply_input(&r, "{}", &f), CSB_ENOTSUP);
    test_check_error(f, CSB_ENOTSUP, "no \"input\" in answer to Stop");
    csb__reply_finish(&r);
}
END_TEST

Suite *hooks_reply_suite(void);
Suite *hooks_reply_suite(void) {
    Suite *s = suite_create("hooks_reply");
    TCase *tc = test_case(s, "hooks_reply");

    tcase_add_loop_test(tc, answers_are_in_claudes_words, 0,
                        (int)(sizeof(answers) / sizeof(*answers)));
    tcase_add_test(tc, the_last_decision_counts);
    tcase_add_test(tc, what_can_not_be_said_is_refused);
    return s;
}
