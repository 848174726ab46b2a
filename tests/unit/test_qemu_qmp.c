/* SPDX-License-Identifier: MIT */
#include "engine/qemu/qmp.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "core/posix.h"
#include "fake_server.h"
#include "support.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define DONE "{\"return\": {}}\r\n"

struct session {
    struct csb__env env;
    struct csb__qmp qmp;
    char *path;
    pid_t server;
};

static int session_open(struct session *s, const struct fake_line *script, size_t n,
                        csb_error **err) {
    *s = (struct session){.server = -1};
    test_env(&s->env);
    csb__env_begin(&s->env, 20000);
    s->path = test_join(s->env.state_dir, "qmp");
    if (script) {
        s->server = fake_server_start(s->path, script, n);
    }
    return csb__qmp_open(&s->env, s->path, &s->qmp, err);
}

/* How the other side ended: 0 when it could play its script. */
static int session_end(struct session *s) {
    int status;

    csb__qmp_close(&s->qmp);
    status = s->server > 0 ? test_join_child(s->server) : 0;
    free(s->path);
    csb__env_finish(&s->env);
    return status;
}

START_TEST(a_command_and_its_answer) {
    static const struct fake_line script[] = {
        {NULL, GREETING},
        {"qmp_capabilities", DONE},
        {"{\"execute\":\"query-x\",\"arguments\":{\"a\":\"b\"}}",
         "{\"timestamp\": {}, \"event\": \"RESUME\"}\n{\"event\": \"STOP\"}\r\n"
         "{\"return\": {\"n\": 42}}\r\n"},
        {"{\"execute\":\"cont\"}", DONE},
    };
    struct session s;
    CSB__AUTOERROR csb_error *e = NULL;
    json_t *ret = NULL;

    ck_assert_msg(session_open(&s, script, 4, &e) == 0, "%s", csb_error_message(e));
    ck_assert_int_eq(csb__qmp_execute(&s.qmp, "query-x", json_pack("{s:s}", "a", "b"), &ret, NULL),
                     0);
    ck_assert_int_eq(json_integer_value(json_object_get(ret, "n")), 42);
    json_decref(ret);
    ck_assert_int_eq(csb__qmp_execute(&s.qmp, "cont", NULL, NULL, NULL), 0);
    ck_assert_int_eq(session_end(&s), 0);
}
END_TEST

START_TEST(answers_in_pieces) {
    static const struct fake_line script[] = {
        {NULL, GREETING DONE}, /* said before it was asked for */
        {"one", "{\"return\""}, {NULL, ": {}}\n{\"return\": {}}\n{\"ev"},
        {"two", "ent\": 1}\n"}, {NULL, "\n"},
    };
    struct session s;

    ck_assert_int_eq(session_open(&s, script, 5, NULL), 0);
    ck_assert_int_eq(csb__qmp_execute(&s.qmp, "one", NULL, NULL, NULL), 0);
    ck_assert_int_eq(csb__qmp_execute(&s.qmp, "two", NULL, NULL, NULL), 0);
    session_end(&s);
}
END_TEST

START_TEST(a_refusal_has_qemus_words) {
    static const struct fake_line script[] = {
        {NULL, GREETING},
        {"qmp_capabilities", DONE},
        {"device_add", "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no bus\"}}\r\n"},
        {"device_add", "{\"error\": {}}\r\n"},
    };
    struct session s;
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOERROR csb_error *mute = NULL;

    ck_assert_int_eq(session_open(&s, script, 4, NULL), 0);
    ck_assert_int_eq(csb__qmp_execute(&s.qmp, "device_add", json_object(), NULL, &e), CSB_EENGINE);
    ck_assert_str_eq(csb_error_message(e), "QEMU refused device_add: no bus");
    ck_assert_int_eq(csb__qmp_execute(&s.qmp, "device_add", NULL, NULL, &mute), CSB_EENGINE);
    test_check_error(mute, CSB_EENGINE, "no reason given");
    ck_assert_int_eq(session_end(&s), 0);
}
END_TEST

START_TEST(nobody_there) {
    struct session s;

    ck_assert_int_eq(session_open(&s, NULL, 0, NULL), CSB_ENOTFOUND);
    session_end(&s);
}
END_TEST

START_TEST(it_goes_away) {
    static const struct fake_line at_once[] = {{NULL, NULL}};
    static const struct fake_line after_greeting[] = {{NULL, GREETING}, {NULL, NULL}};
    static const struct fake_line later[] = {{NULL, GREETING}, {"qmp_cap", DONE}, {"quit", NULL}};
    struct session s;
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_int_eq(session_open(&s, at_once, 1, &e), CSB_EENGINE);
    test_check_error(e, CSB_EENGINE, "closed its control socket");
    session_end(&s);
    ck_assert_int_eq(session_open(&s, after_greeting, 2, NULL), CSB_EENGINE);
    session_end(&s);
    ck_assert_int_eq(session_open(&s, later, 3, NULL), 0);
    ck_assert_int_eq(csb__qmp_execute(&s.qmp, "quit", NULL, NULL, NULL), CSB_EENGINE);
    /* A second word to a closed socket ends nobody. */
    ck_assert_int_eq(csb__qmp_execute(&s.qmp, "quit", NULL, NULL, NULL), CSB_EENGINE);
    ck_assert_int_eq(session_end(&s), 0);
}
END_TEST

START_TEST(garbage_is_no_answer) {
    static const char *const lines[] = {"nonsense\n", "[]\n", "\n", "{\"a\": 1, \"a\": 2}\n",
                                        "\xff\xfe\n"};

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        const struct fake_line script[] = {{NULL, lines[i]}};
        struct session s;
        CSB__AUTOERROR csb_error *e = NULL;

        ck_assert_int_eq(session_open(&s, script, 1, &e), CSB_EPROTOCOL);
        session_end(&s);
    }
}
END_TEST

START_TEST(a_line_has_an_end) {
    const size_t len = (size_t)3 << 20;
    char *line = malloc(len + 1);
    const struct fake_line script[] = {{NULL, line}};
    struct session s;
    CSB__AUTOERROR csb_error *e = NULL;

    memset(line, 'x', len);
    line[len] = '\0';
    ck_assert_int_eq(session_open(&s, script, 1, &e), CSB_EPROTOCOL);
    test_check_error(e, CSB_EPROTOCOL, "a line of more than 1048576 bytes");
    session_end(&s);
    free(line);
}
END_TEST

START_TEST(silence_has_an_end) {
    static const struct fake_line script[] = {{"never", DONE}};
    struct session s = {.server = -1};
    TEST_AUTOENV env;
    CSB__AUTOFREE char *path = NULL;
    pid_t server;

    test_env(&env);
    path = test_join(env.state_dir, "qmp");
    server = fake_server_start(path, script, 1);
    csb__env_begin(&env, 100);
    ck_assert_int_eq(csb__qmp_open(&env, path, &s.qmp, NULL), CSB_ETIMEOUT);
    csb__qmp_close(&s.qmp);
    ck_assert_int_eq(test_join_child(server), 1);
}
END_TEST

static void *cancel_soon(void *arg) {
    csb__sleep_ms(50);
    csb__env_cancel(arg);
    return NULL;
}

START_TEST(waiting_can_be_cancelled) {
    static const struct fake_line script[] = {{"never", DONE}};
    struct csb__qmp qmp;
    TEST_AUTOENV env;
    CSB__AUTOFREE char *path = NULL;
    int64_t start = csb__now_ms();
    pthread_t thread;
    pid_t server;

    test_env(&env);
    path = test_join(env.state_dir, "qmp");
    server = fake_server_start(path, script, 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_soon, &env), 0);
    ck_assert_int_eq(csb__qmp_open(&env, path, &qmp, NULL), CSB_ECANCELED);
    ck_assert_int_lt(csb__now_ms() - start, 15000);
    pthread_join(thread, NULL);
    csb__qmp_close(&qmp);
    test_join_child(server);
}
END_TEST

Suite *qemu_qmp_suite(void);
Suite *qemu_qmp_suite(void) {
    Suite *s = suite_create("qemu_qmp");
    TCase *tc = test_case(s, "qemu_qmp");

    tcase_add_test(tc, a_command_and_its_answer);
    tcase_add_test(tc, answers_in_pieces);
    tcase_add_test(tc, a_refusal_has_qemus_words);
    tcase_add_test(tc, nobody_there);
    tcase_add_test(tc, it_goes_away);
    tcase_add_test(tc, garbage_is_no_answer);
    tcase_add_test(tc, a_line_has_an_end);
    tcase_add_test(tc, silence_has_an_end);
    tcase_add_test(tc, waiting_can_be_cancelled);
    return s;
}
