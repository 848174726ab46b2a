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

static void check_event(const struct config *c, int id, bool notify, int urgency,
                        const char *sound) {
    ck_assert_int_eq(c->events[id].notify, notify);
    ck_assert_int_eq(c->events[id].urgency, urgency);
    ck_assert_str_eq(c->events[id].sound, sound);
}

static void check_log(const struct config *c, bool bodies, size_t field, int64_t size, int files) {
    ck_assert_int_eq(c->log_bodies, bodies);
    ck_assert_uint_eq(c->log_field, field);
    ck_assert_int_eq(c->log_size, size);
    ck_assert_int_eq(c->log_files, files);
}

static void check_rest(const struct config *c, int quiet_from, int quiet_to, const char *flags) {
    char text[4] = {c->quiet_critical ? 'c' : '-', c->unless_focused ? 'f' : '-',
                    c->answer ? 'a' : '-', '\0'};

    ck_assert_int_eq(c->quiet_from, quiet_from);
    ck_assert_int_eq(c->quiet_to, quiet_to);
    ck_assert_str_eq(text, flags);
}

START_TEST(nothing_said_is_the_defaults) {
    static const char *const texts[] = {"", "# a: b\n", "{}", "events: {}\n"};
    struct config c = parsed(texts[_i]);

    check_event(&c, EVENT_SESSION_END, false, URGENCY_LOW, "");
    check_event(&c, EVENT_STOP, true, URGENCY_NORMAL, c.events[EVENT_TASK_COMPLETED].sound);
    ck_assert_int_eq(c.events[EVENT_STOP_FAILURE].urgency, URGENCY_CRITICAL);
    check_rest(&c, -1, -1, "c-a");
    check_log(&c, false, 256, 8 << 20, 14);
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

    ck_assert(!c.events[EVENT_STOP].notify);
    check_event(&c, EVENT_SESSION_END, true, URGENCY_LOW, "");
    check_event(&c, EVENT_SESSION_START, true, URGENCY_LOW, "");
    check_event(&c, EVENT_STOP_FAILURE, true, URGENCY_NORMAL, "");
    check_event(&c, EVENT_NOTIFICATION, false, URGENCY_NORMAL, "bell");
    check_rest(&c, 22 * 60 + 30, 7 * 60 + 5, "-f-");
    check_log(&c, true, 1000, 20 << 20, 3);
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

static const struct {
    const char *text;
    int minute;
    int urgency;
    bool quiet;
} quiet[] = {
    {"{from: 22:00, to: 07:00}", 22 * 60, URGENCY_NORMAL, true},
    {"{from: 22:00, to: 07:00}", 0, URGENCY_NORMAL, true},
    {"{from: 22:00, to: 07:00}", 7 * 60 - 1, URGENCY_LOW, true},
    {"{from: 22:00, to: 07:00}", 7 * 60, URGENCY_NORMAL, false},
    {"{from: 22:00, to: 07:00}", 22 * 60 - 1, URGENCY_NORMAL, false},
    {"{from: 22:00, to: 07:00}", 0, URGENCY_CRITICAL, false},
    {"{from: 13:00, to: 14:00, critical: no}", 13 * 60, URGENCY_CRITICAL, true},
    {"{from: 13:00, to: 14:00, critical: no}", 14 * 60, URGENCY_CRITICAL, false},
    {"{from: 13:00, to: 14:00, critical: no}", 0, URGENCY_NORMAL, false},
    {"{from: 13:00, to: 13:00}", 13 * 60, URGENCY_NORMAL, false},
};

START_TEST(quiet_hours_pass_midnight) {
    char text[100];
    struct config c;

    snprintf(text, sizeof(text), "quiet-hours: %s", quiet[_i].text);
    c = parsed(text);
    ck_assert_int_eq(config_is_quiet(&c, quiet[_i].minute, quiet[_i].urgency), quiet[_i].quiet);
    c = parsed("");
    ck_assert(!config_is_quiet(&c, quiet[_i].minute, quiet[_i].urgency));
}
END_TEST

Suite *hooks_config_suite(void);
Suite *hooks_config_suite(void) {
    Suite *s = suite_create("hooks_config");
    TCase *tc = test_case(s, "hooks_config");

    tcase_add_loop_test(tc, nothing_said_is_the_defaults, 0, 4);
    tcase_add_test(tc, what_is_said_counts);
    tcase_add_loop_test(tc, what_is_wrong_has_a_line, 0, (int)(sizeof(bad) / sizeof(*bad)));
    tcase_add_loop_test(tc, quiet_hours_pass_midnight, 0, (int)(sizeof(quiet) / sizeof(*quiet)));
    return s;
}
