/* SPDX-License-Identifier: MIT */
#include "engine/qemu/control.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "core/path.h"
#include "core/process.h"
#include "fake_server.h"
#include "support.h"

struct session {
    struct csb__env env;
    struct csb__instance i;
    pid_t server;
};

/* An instance whose QEMU is this very process, with a guest that follows a script. */
static void session_make(struct session *s, const struct fake_line *script, size_t n) {
    CSB__AUTOFREE char *path = NULL;
    char boot[64];

    *s = (struct session){.server = -1};
    test_env(&s->env);
    csb__env_begin(&s->env, 20000);
    ck_assert_int_eq(csb__instance_init(&s->env, "web", &s->i, NULL), 0);
    csb__boot_id(boot, sizeof(boot));
    s->i.boot = strdup(boot);
    s->i.pid = getpid();
    ck_assert_int_eq(csb__process_start_time(getpid(), &s->i.start_time), 0);
    ck_assert_int_eq(csb__mkdirs(s->i.run_dir, NULL), 0);
    path = csb__instance_socket(&s->i, "control");
    if (script) {
        s->server = fake_server_start(path, script, n);
    }
}

static int session_end(struct session *s) {
    int status = s->server > 0 ? test_join_child(s->server) : 0;

    csb__instance_finish(&s->i);
    csb__env_finish(&s->env);
    return status;
}

START_TEST(ready_is_waited_for) {
    static const struct fake_line script[] = {{"1 ready", "1 ok\n"}};
    struct session s;

    session_make(&s, script, 1);
    ck_assert_int_eq(csb__control_wait_ready(&s.env, &s.i, NULL), 0);
    ck_assert_int_eq(session_end(&s), 0);
}
END_TEST

START_TEST(a_lost_question_is_asked_again) {
    /* The first goes unanswered, and what else is said is no answer. */
    static const struct fake_line script[] = {
        {"1 ready", "hello\n1 error not yet\n0 ok\n99 ok\n-1 ok\nok\n1\n1 okay\n 1 no\n\n"},
        {"2 ready", "2 o"},
        {NULL, "k\n"},
    };
    struct session s;

    session_make(&s, script, 3);
    ck_assert_int_eq(csb__control_wait_ready(&s.env, &s.i, NULL), 0);
    ck_assert_int_eq(session_end(&s), 0);
}
END_TEST

START_TEST(a_late_answer_counts) {
    static const struct fake_line script[] = {{"2 ready", "1 ok all well\n"}};
    struct session s;

    session_make(&s, script, 1);
    ck_assert_int_eq(csb__control_wait_ready(&s.env, &s.i, NULL), 0);
    ck_assert_int_eq(session_end(&s), 0);
}
END_TEST

START_TEST(a_talkative_guest_fills_nothing) {
    char *noise = malloc(100001);
    struct fake_line script[] = {{"1 ready", noise}, {NULL, "\n"}, {"2 ready", "2 ok\n"}};
    struct session s;

    memset(noise, 'x', 100000);
    noise[100000] = '\0';
    session_make(&s, script, 3);
    ck_assert_int_eq(csb__control_wait_ready(&s.env, &s.i, NULL), 0);
    ck_assert_int_eq(session_end(&s), 0);
    free(noise);
}
END_TEST

START_TEST(it_ends_while_starting) {
    static const struct fake_line script[] = {{"1 ready", NULL}};
    struct session s;
    CSB__AUTOERROR csb_error *e = NULL;

    session_make(&s, script, 1);
    ck_assert_int_eq(csb__control_wait_ready(&s.env, &s.i, &e), CSB_EENGINE);
    test_check_error(e, CSB_EENGINE, "ended while it was starting");
    ck_assert_int_eq(session_end(&s), 0);
}
END_TEST

START_TEST(it_is_dead_but_its_socket_is_open) {
    static const struct fake_line script[] = {{"never", "x"}};
    struct session s;

    session_make(&s, script, 1);
    s.i.start_time++;
    ck_assert_int_eq(csb__control_wait_ready(&s.env, &s.i, NULL), CSB_EENGINE);
    session_end(&s);
}
END_TEST

START_TEST(it_never_answers) {
    static const struct fake_line script[] = {{"never", "x"}};
    struct session s;

    session_make(&s, script, 1);
    csb__env_begin(&s.env, 100);
    ck_assert_int_eq(csb__control_wait_ready(&s.env, &s.i, NULL), CSB_ETIMEOUT);
    session_end(&s);
}
END_TEST

START_TEST(nobody_there) {
    struct session s;

    session_make(&s, NULL, 0);
    ck_assert_int_eq(csb__control_wait_ready(&s.env, &s.i, NULL), CSB_ESYSTEM);
    ck_assert_int_eq(csb__control_poweroff(&s.env, &s.i, NULL), CSB_ESYSTEM);
    session_end(&s);
}
END_TEST

START_TEST(poweroff_is_agreed_on_or_done) {
    static const struct fake_line agreed[] = {{"1 poweroff", "1 ok\n"}};
    static const struct fake_line done[] = {{"1 poweroff", NULL}};
    struct session s;

    session_make(&s, agreed, 1);
    ck_assert_int_eq(csb__control_poweroff(&s.env, &s.i, NULL), 0);
    ck_assert_int_eq(session_end(&s), 0);
    session_make(&s, done, 1);
    ck_assert_int_eq(csb__control_poweroff(&s.env, &s.i, NULL), 0);
    ck_assert_int_eq(session_end(&s), 0);
}
END_TEST

START_TEST(poweroff_that_is_ignored) {
    static const struct fake_line script[] = {{"never", "x"}};
    struct session s;
    CSB__AUTOERROR csb_error *e = NULL;

    session_make(&s, script, 1);
    ck_assert_int_eq(csb__control_poweroff(&s.env, &s.i, &e), CSB_EENGINE);
    test_check_error(e, CSB_EENGINE, "does not answer");
    session_end(&s);
}
END_TEST

START_TEST(waiting_can_be_cancelled) {
    static const struct fake_line script[] = {{"never", "x"}};
    struct session s;

    session_make(&s, script, 1);
    csb__env_cancel(&s.env);
    ck_assert_int_eq(csb__control_wait_ready(&s.env, &s.i, NULL), CSB_ECANCELED);
    session_end(&s);
}
END_TEST

static int tell(struct session *s, const char *first, const char *second, struct csb__strbuf *text,
                csb_error **err) {
    CSB__AUTOSTRV lines = CSB__STRV_INIT;

    csb__strv_add(&lines, first);
    csb__strv_add(&lines, second);
    return csb__control_tell(&s->env, &s->i, &lines, text, err);
}

START_TEST(all_is_told_at_once) {
    static const struct fake_line script[] = {
        {"1 ping", "1 ok\n"},
        {"2 time 5.0", ""},
        {"3 free-memory", "1 ok again\nnonsense\n2 ok\n3 ok 77 KiB\n"},
    };
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    struct session s;

    session_make(&s, script, 3);
    ck_assert_int_eq(tell(&s, "time 5.0", "free-memory", &text, NULL), 0);
    ck_assert_str_eq(csb__strbuf_text(&text), "77 KiB");
    ck_assert_int_eq(session_end(&s), 0);
}
END_TEST

START_TEST(what_the_guest_can_not_do_is_said) {
    static const struct fake_line script[] = {
        {"1 ping", "1 ok\n"},
        {"2 mount share0 secret", ""},
        {"3 sync", "2 error no-device\n"},
    };
    CSB__AUTOERROR csb_error *e = NULL;
    struct session s;

    session_make(&s, script, 3);
    ck_assert_int_eq(tell(&s, "mount share0 secret", "sync", NULL, &e), CSB_EPROTOCOL);
    ck_assert_str_eq(csb_error_message(e), "the VM can't do \"mount\": no-device");
    ck_assert_int_eq(session_end(&s), 0);
}
END_TEST

START_TEST(a_woken_guest_may_miss_the_first_word) {
    static const struct fake_line script[] = {
        {"1 ping", ""}, {"2 ping", "2 ok\n"}, {"3 a", ""}, {"4 b", "3 ok\n4 ok\n"}};
    struct session s;

    session_make(&s, script, 4);
    ck_assert_int_eq(tell(&s, "a", "b", NULL, NULL), 0);
    ck_assert_int_eq(session_end(&s), 0);
}
END_TEST

START_TEST(one_that_ends_meanwhile_is_told_from_one_that_is_silent) {
    static const struct fake_line ends[] = {{"1 ping", "1 ok\n"}, {"2 a", NULL}};
    CSB__AUTOERROR csb_error *e = NULL;
    struct session s;

    session_make(&s, ends, 2);
    ck_assert_int_eq(tell(&s, "a", "b", NULL, &e), CSB_EENGINE);
    ck_assert_str_eq(csb_error_message(e), "the VM ended");
    session_end(&s);
}
END_TEST

Suite *qemu_control_suite(void);
Suite *qemu_control_suite(void) {
    Suite *s = suite_create("qemu_control");
    TCase *tc = test_case(s, "qemu_control");

    tcase_add_test(tc, ready_is_waited_for);
    tcase_add_test(tc, a_lost_question_is_asked_again);
    tcase_add_test(tc, a_late_answer_counts);
    tcase_add_test(tc, a_talkative_guest_fills_nothing);
    tcase_add_test(tc, it_ends_while_starting);
    tcase_add_test(tc, it_is_dead_but_its_socket_is_open);
    tcase_add_test(tc, it_never_answers);
    tcase_add_test(tc, nobody_there);
    tcase_add_test(tc, poweroff_is_agreed_on_or_done);
    tcase_add_test(tc, poweroff_that_is_ignored);
    tcase_add_test(tc, waiting_can_be_cancelled);
    tcase_add_test(tc, all_is_told_at_once);
    tcase_add_test(tc, what_the_guest_can_not_do_is_said);
    tcase_add_test(tc, a_woken_guest_may_miss_the_first_word);
    tcase_add_test(tc, one_that_ends_meanwhile_is_told_from_one_that_is_silent);
    return s;
}
