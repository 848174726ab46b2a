/* SPDX-License-Identifier: MIT */
#include "guest/ssh.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "support.h"

#define COMMON "ssh", "-F", "/state/ssh.config", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes"

struct fixture {
    struct csb__env env;
    struct csb__door door;
    struct test_runner runner;
    int listener; /* a master that is there; -1: none */
};

static void fixture_make(struct fixture *f, const struct test_answer *answers, size_t n) {
    *f = (struct fixture){.runner = {.answers = answers, .n_answers = n}, .listener = -1};
    test_env(&f->env);
    test_runner_use(&f->env, &f->runner);
    f->runner.data = f;
    f->door = (struct csb__door){(char *)"/state/ssh.config", (char *)"box",
                                 test_join(f->env.state_dir, "ssh")};
}

static void fixture_finish(struct fixture *f) {
    free(f->door.control_path);
    csb__cleanup_close(&f->listener);
    test_runner_finish(&f->runner);
    csb__env_finish(&f->env);
}

#define AUTOFIXTURE CSB__CLEANUP(fixture_finish) struct fixture

static void start_master(struct fixture *f) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    strcpy(addr.sun_path, f->door.control_path);
    f->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(f->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(listen(f->listener, 8), 0);
}

/* Exactly these words, up to NULL. */
static void check_argv(const struct csb__strv *argv, const char *const *words) {
    for (size_t i = 0; words[i] || i < argv->len; i++) {
        ck_assert_msg(words[i] && i < argv->len && strcmp(words[i], argv->items[i]) == 0,
                      "word %zu: \"%s\", not \"%s\"", i, i < argv->len ? argv->items[i] : "(end)",
                      words[i] ? words[i] : "(end)");
    }
}

START_TEST(a_connection_is_opened_once) {
    static const char *const words[] = {COMMON,
                                        "-o",
                                        "ControlMaster=yes",
                                        "-o",
                                        "ControlPersist=yes",
                                        "-o",
                                        "ConnectTimeout=20",
                                        "-fN",
                                        "box",
                                        NULL};
    AUTOFIXTURE f;

    fixture_make(&f, NULL, 0);
    ck_assert_int_eq(csb__ssh_connect(&f.env, &f.door, NULL), 0);
    ck_assert_uint_eq(f.runner.n_calls, 1);
    check_argv(&f.runner.calls[0].argv, words);
    ck_assert_int_gt(f.runner.calls[0].timeout_ms, 0);
    start_master(&f);
    ck_assert_int_eq(csb__ssh_connect(&f.env, &f.door, NULL), 0);
    ck_assert_uint_eq(f.runner.n_calls, 1);
    ck_assert(test_exists(f.door.control_path));
}
END_TEST

START_TEST(a_dead_masters_socket_is_cleared) {
    AUTOFIXTURE f;

    fixture_make(&f, NULL, 0);
    start_master(&f);
    close(f.listener);
    f.listener = -1;
    ck_assert_int_eq(csb__ssh_connect(&f.env, &f.door, NULL), 0);
    ck_assert_uint_eq(f.runner.n_calls, 1);
    ck_assert(!test_exists(f.door.control_path));
}
END_TEST

START_TEST(no_connection_says_why) {
    static const struct test_answer answers[] = {
        {.status = 255, .errout = "Warning: x\r\nbox: Connection refused\r\n \n"},
        {.status = 255},
    };
    AUTOFIXTURE f;
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOERROR csb_error *silent = NULL;

    fixture_make(&f, answers, 2);
    ck_assert_int_eq(csb__ssh_connect(&f.env, &f.door, &e), CSB_EENGINE);
    ck_assert_str_eq(csb_error_message(e), "no connection to the VM: box: Connection refused");
    ck_assert_int_eq(csb_error_exit_status(e), 255);
    ck_assert_ptr_nonnull(strstr(csb_error_detail(e), "Warning: x"));
    ck_assert_int_eq(csb__ssh_connect(&f.env, &f.door, &silent), CSB_EENGINE);
    test_check_error(silent, CSB_EENGINE, "without a word");
}
END_TEST

static void master_appears(const struct csb__run *run, void *data) {
    (void)run;
    start_master(data);
}

START_TEST(somebody_else_was_faster) {
    static const struct test_answer answers[] = {
        {.status = 255, .errout = "ControlSocket exists\n", .hook = master_appears},
    };
    AUTOFIXTURE f;

    fixture_make(&f, answers, 1);
    ck_assert_int_eq(csb__ssh_connect(&f.env, &f.door, NULL), 0);
}
END_TEST

START_TEST(a_script_and_its_input) {
    static const struct test_answer answers[] = {{.status = 3, .out = "o"}, {.status = 255}};
    static const char *const words[] = {COMMON, "-o", "ControlMaster=no", "-T",
                                        "box",  "--", "do 'it'",          NULL};
    AUTOFIXTURE f;
    CSB__AUTORESULT r = {0};
    CSB__AUTORESULT broken = {0};
    CSB__AUTOERROR csb_error *e = NULL;

    fixture_make(&f, answers, 2);
    ck_assert_int_eq(csb__ssh_run(&f.env, &f.door, "do 'it'", "input", &r, NULL), 0);
    ck_assert_int_eq(r.status, 3);
    ck_assert_str_eq(csb__strbuf_text(&r.out), "o");
    check_argv(&f.runner.calls[0].argv, words);
    ck_assert_str_eq(f.runner.calls[0].input, "input");
    ck_assert_int_eq(csb__ssh_run(&f.env, &f.door, "x", NULL, &broken, &e), CSB_EENGINE);
    test_check_error(e, CSB_EENGINE, "the connection to the VM failed");
    ck_assert_ptr_null(f.runner.calls[1].input);
}
END_TEST

START_TEST(a_port_is_carried) {
    static const struct test_answer answers[] = {
        {.status = 0},
        {.status = 255, .errout = "mux_client_forward: forwarding request failed\n"},
    };
    static const char *const words[] = {COMMON, "-O", "forward", "-R", "8080:[::1]:8080",
                                        "box",  NULL};
    AUTOFIXTURE f;
    CSB__AUTOERROR csb_error *e = NULL;

    fixture_make(&f, answers, 2);
    ck_assert_int_eq(csb__ssh_carry_port(&f.env, &f.door, "[::1]", 8080, NULL), 0);
    check_argv(&f.runner.calls[0].argv, words);
    ck_assert_int_eq(csb__ssh_carry_port(&f.env, &f.door, "localhost", 1, &e), CSB_EENGINE);
    test_check_error(e, CSB_EENGINE, "forwarding request failed");
}
END_TEST

START_TEST(what_is_not_open_is_not_closed) {
    static const char *const words[] = {COMMON, "-O", "exit", "box", NULL};
    AUTOFIXTURE f;
    struct csb__door none = {NULL, NULL, NULL};

    fixture_make(&f, NULL, 0);
    csb__ssh_disconnect(&f.env, &none);
    csb__ssh_disconnect(&f.env, &f.door);
    ck_assert_uint_eq(f.runner.n_calls, 0);
    start_master(&f);
    csb__ssh_disconnect(&f.env, &f.door);
    ck_assert_uint_eq(f.runner.n_calls, 1);
    check_argv(&f.runner.calls[0].argv, words);
}
END_TEST

Suite *ssh_suite(void);
Suite *ssh_suite(void) {
    Suite *s = suite_create("ssh");
    TCase *tc = test_case(s, "ssh");

    tcase_add_test(tc, a_connection_is_opened_once);
    tcase_add_test(tc, a_dead_masters_socket_is_cleared);
    tcase_add_test(tc, no_connection_says_why);
    tcase_add_test(tc, somebody_else_was_faster);
    tcase_add_test(tc, a_script_and_its_input);
    tcase_add_test(tc, a_port_is_carried);
    tcase_add_test(tc, what_is_not_open_is_not_closed);
    return s;
}
