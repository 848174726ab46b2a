/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "support.h"

static struct config parsed(const char *text) {
    struct config c;
    char why[300];

    ck_assert_msg(config_parse(text, strlen(text), &c, why, sizeof(why)), "%s", why);
    return c;
}

START_TEST(nothing_said_is_the_defaults) {
    static const char *const texts[] = {"", "# a: b\n", "{}", "events: {}\n"};
    struct config by_default;
    struct config c;

    config_defaults(&by_default);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        c = parsed(texts[i]);
        ck_assert_int_eq(memcmp(&c, &by_default, sizeof(c)), 0);
    }
    ck_assert(c.events[EVENT_STOP].notify && !c.events[EVENT_SESSION_END].notify);
    ck_assert_int_eq(c.events[EVENT_STOP_FAILURE].urgency, URGENCY_CRITICAL);
}
END_TEST

START_TEST(what_is_said_counts) {
    struct config c = parsed("events:\n"
                             "  Stop: no\n"
                             "  SessionEnd: yes\n"
                             "  SessionStart: {urgency: low}\n"
                             "  StopFailure: {sound: none, urgency: normal}\n"
                             "  Notification: {notify: no, sound: bell}\n"
                             "quiet-hours: {from: 22:30, to: 7:05, critical: no}\n"
                             "unless-focused: on\n"
                             "answer: false\n"
                             "log: {bodies: yes, field-bytes: 1000, file-mib: 20, files: 3}\n");

    ck_assert(!c.events[EVENT_STOP].notify && c.events[EVENT_SESSION_END].notify);
    ck_assert(c.events[EVENT_SESSION_START].notify && !c.events[EVENT_NOTIFICATION].notify);
    ck_assert_str_eq(c.events[EVENT_STOP_FAILURE].sound, "");
    ck_assert_str_eq(c.events[EVENT_NOTIFICATION].sound, "bell");
    ck_assert_int_eq(c.events[EVENT_STOP_FAILURE].urgency, URGENCY_NORMAL);
    ck_assert_int_eq(c.quiet_from, 22 * 60 + 30);
    ck_assert_int_eq(c.quiet_to, 7 * 60 + 5);
    ck_assert(!c.quiet_critical && c.unless_focused && !c.answer && c.log_bodies);
    ck_assert_uint_eq(c.log_field, 1000);
    ck_assert_int_eq(c.log_size, 20 << 20);
    ck_assert_int_eq(c.log_files, 3);
}
END_TEST

static const struct {
    const char *text;
    const char *why; /* how the sentence begins */
} bad[] = {
    {"a: b", "line 1: there is no \"a\" here, but: events, quiet-hours, "},
    {"\n\nevents:\n  Stopp: no\n", "line 4: there is no \"Stopp\" here, but: Elicitation, "},
    {"events:\n  Stop: {notify: maybe}", "line 2: this is neither \"yes\" nor \"no\""},
    {"events:\n  Stop: {loud: yes}", "line 2: there is no \"loud\" here, but: notify, sound, "},
    {"events:\n  Stop:\n", "line 2: this is neither"},
    {"events: [Stop]", "line 1: here belong events"},
    {"events: {Stop: {sound: /etc/passwd}}", "line 1: this is no name of a sound"},
    {"events: {Stop: {urgency: 2}}", "line 1: an urgency is"},
    {"quiet-hours: {from: 24:00, to: 07:00}", "line 1: this is no time of day"},
    {"quiet-hours: {from: 22:00}", "line 1: quiet hours need both"},
    {"log: {files: 1}", "line 1: this is no number from 2 to 1000"},
    {"log: {file-mib: 99999999999999999999}", "line 1: this is no number"},
    {"log: {field-bytes: 1e3}", "line 1: this is no number"},
    {"answer: yes\nanswer: no\n", "line 2: \"answer\" is here for the second time"},
    {"answer: [yes]", "line 1: this is neither"},
    {"just words", "line 1: here belong settings"},
    {"answer: yes\n  log: {\n", "line 2: this is no YAML"},
    {"a: \"\\x00\"", "line 1: there is no"},
    {"\"\\x00\": 1", "line 1: there is no"},
};

START_TEST(what_is_wrong_has_a_line) {
    struct config c = {.log_files = 77};
    char why[400];

    ck_assert(!config_parse(bad[_i].text, strlen(bad[_i].text), &c, why, sizeof(why)));
    ck_assert_msg(strncmp(why, bad[_i].why, strlen(bad[_i].why)) == 0, "%s", why);
    ck_assert_ptr_null(strchr(why, '\n'));
    ck_assert_int_eq(c.log_files, 77);
}
END_TEST

START_TEST(quiet_hours_pass_midnight) {
    struct config c = parsed("quiet-hours: {from: 22:00, to: 07:00}");
    struct config day = parsed("quiet-hours: {from: 13:00, to: 14:00, critical: no}");
    struct config never = parsed("");

    ck_assert(config_is_quiet(&c, 22 * 60, URGENCY_NORMAL));
    ck_assert(config_is_quiet(&c, 0, URGENCY_NORMAL));
    ck_assert(config_is_quiet(&c, 7 * 60 - 1, URGENCY_LOW));
    ck_assert(!config_is_quiet(&c, 7 * 60, URGENCY_NORMAL));
    ck_assert(!config_is_quiet(&c, 22 * 60 - 1, URGENCY_NORMAL));
    ck_assert(!config_is_quiet(&c, 0, URGENCY_CRITICAL));
    ck_assert(config_is_quiet(&day, 13 * 60, URGENCY_CRITICAL));
    ck_assert(!config_is_quiet(&day, 14 * 60, URGENCY_CRITICAL));
    ck_assert(!config_is_quiet(&day, 0, URGENCY_NORMAL));
    ck_assert(!config_is_quiet(&never, 0, URGENCY_LOW));
}
END_TEST

Suite *hooks_config_suite(void);
Suite *hooks_config_suite(void) {
    Suite *s = suite_create("hooks_config");
    TCase *tc = test_case(s, "hooks_config");

    tcase_add_test(tc, nothing_said_is_the_defaults);
    tcase_add_test(tc, what_is_said_counts);
    tcase_add_loop_test(tc, what_is_wrong_has_a_line, 0, (int)(sizeof(bad) / sizeof(*bad)));
    tcase_add_test(tc, quiet_hours_pass_midnight);
    return s;
}
