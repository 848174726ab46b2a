/* SPDX-License-Identifier: MIT */
#include "hooks/event.h"

#include <string.h>

#include "core/strbuf.h"
#include "support.h"

static int parse(const char *json, csb_event *event, csb_error **err) {
    return csb__event_parse("web", json, strlen(json), event, err);
}

START_TEST(getters_tell_what_is_there) {
    static const char text[] =
        "{\"session_id\":\"s-1\",\"cwd\":\"/home/dev/proj\",\"hook_event_name\":\"Notification\","
        "\"message\":\"Claude needs \\u00e9\\n\",\"notification_type\":\"idle_prompt\","
        "\"title\":\"T\",\"tool_name\":\"Bash\",\"effort\":{\"message\":\"not this\"},"
        "\"error\":\"server_error\"}";
    csb_event e;
    size_t len;

    ck_assert_int_eq(parse(text, &e, NULL), 0);
    ck_assert_str_eq(csb_event_vm(&e), "web");
    ck_assert_str_eq(csb_event_name(&e), "Notification");
    ck_assert_str_eq(csb_event_session(&e), "s-1");
    ck_assert_str_eq(csb_event_cwd(&e), "/home/dev/proj");
    ck_assert_str_eq(csb_event_tool(&e), "Bash");
    ck_assert_str_eq(csb_event_message(&e), "Claude needs \xc3\xa9\n");
    ck_assert_str_eq(csb_event_title(&e), "T");
    ck_assert_str_eq(csb_event_notification_type(&e), "idle_prompt");
    ck_assert_str_eq(csb_event_string(&e, "error"), "server_error");
    ck_assert_str_eq(csb_event_json(&e, &len), text);
    ck_assert_uint_eq(len, strlen(text));
    csb__event_finish(&e);
}
END_TEST

START_TEST(what_is_not_there_is_null) {
    csb_event e;

    ck_assert_int_eq(parse("{\"message\":{\"a\":1},\"cwd\":7,\"title\":null}", &e, NULL), 0);
    ck_assert_str_eq(csb_event_name(&e), "");
    ck_assert_ptr_null(csb_event_message(&e));
    ck_assert_ptr_null(csb_event_cwd(&e));
    ck_assert_ptr_null(csb_event_title(&e));
    ck_assert_ptr_null(csb_event_session(&e));
    ck_assert_ptr_null(csb_event_string(&e, "nothing"));
    csb__event_finish(&e);
}
END_TEST

/* The guest's word is not the last one on where it comes from. */
START_TEST(the_vm_is_ours_to_tell) {
    csb_event e;

    ck_assert_int_eq(parse("{\"vm\":\"other\",\"vm_name\":\"other\"}", &e, NULL), 0);
    ck_assert_str_eq(csb_event_vm(&e), "web");
    csb__event_finish(&e);
}
END_TEST

START_TEST(doubtful_events_are_refused) {
    static const char *const bad[] = {
        "", "[]", "{\"a\":1", "{\"cwd\":\"/a\",\"cwd\":\"/b\"}", "{\"cwd\":1,\"c\\u0077d\":2}",
    };
    csb_event e;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        CSB__AUTOERROR csb_error *err = NULL;

        ck_assert_int_eq(parse(bad[i], &e, &err), CSB_EPROTOCOL);
        test_check_error(err, CSB_EPROTOCOL, "no JSON object");
    }
}
END_TEST

START_TEST(many_members_are_no_trouble) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    csb_event e;

    csb__strbuf_puts(&text, "{\"hook_event_name\":\"Stop\"");
    for (int i = 0; i < 20000; i++) {
        csb__strbuf_printf(&text, ",\"k%d\":%d", i, i);
    }
    csb__strbuf_puts(&text, "}");
    ck_assert_int_eq(parse(text.data, &e, NULL), 0);
    ck_assert_uint_eq(e.n_members, CSB__EVENT_MEMBERS_MAX);
    ck_assert_str_eq(csb_event_name(&e), "Stop");
    csb__event_finish(&e);
}
END_TEST

Suite *hooks_event_suite(void);
Suite *hooks_event_suite(void) {
    Suite *s = suite_create("hooks_event");
    TCase *tc = test_case(s, "hooks_event");

    tcase_add_test(tc, getters_tell_what_is_there);
    tcase_add_test(tc, what_is_not_there_is_null);
    tcase_add_test(tc, the_vm_is_ours_to_tell);
    tcase_add_test(tc, doubtful_events_are_refused);
    tcase_add_test(tc, many_members_are_no_trouble);
    return s;
}
