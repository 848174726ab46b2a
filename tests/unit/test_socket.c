/* SPDX-License-Identifier: MIT */
#include "guest/socket.h"

#include <string.h>

#include "support.h"

static struct csb__door door = {(char *)"/state/ssh.config", (char *)"box", (char *)"/nowhere/ssh"};

static int carry(struct test_runner *runner, char **guest_path, csb_error **err) {
    TEST_AUTOENV env;

    test_env(&env);
    test_runner_use(&env, runner);
    return csb__socket_carry(&env, &door, "/run/a.sock", NULL, "hooks", guest_path, err);
}

START_TEST(leads_from_the_guests_place_to_ours) {
    static const struct test_answer answers[] = {{.out = "/dev/shm/claude-sandbox-1000\n"}};
    TEST_AUTORUNNER runner = {.answers = answers, .n_answers = 1};
    CSB__AUTOFREE char *path = NULL;

    ck_assert_int_eq(carry(&runner, &path, NULL), 0);
    ck_assert_str_eq(path, "/dev/shm/claude-sandbox-1000/hooks.sock");
    ck_assert_uint_eq(runner.n_calls, 2);
    ck_assert(test_has_words(&runner.calls[1].argv, "-O", "forward", "-R",
                             "/dev/shm/claude-sandbox-1000/hooks.sock:/run/a.sock", "box", NULL));
}
END_TEST

START_TEST(what_an_old_connection_left_is_cleared) {
    static const struct test_answer answers[] = {
        {.out = "/dev/shm/claude-sandbox-7\n"},
        {.status = 255, .errout = "remote port forwarding failed for listen path\n"},
        {.status = 0},
        {.status = 0},
    };
    TEST_AUTORUNNER runner = {.answers = answers, .n_answers = 4};

    ck_assert_int_eq(carry(&runner, NULL, NULL), 0);
    ck_assert_uint_eq(runner.n_calls, 4);
    ck_assert(test_has(&runner.calls[2].argv, "rm -f /dev/shm/claude-sandbox-7/hooks.sock"));
    ck_assert(test_has_words(&runner.calls[3].argv, "-O", "forward", NULL));
}
END_TEST

START_TEST(a_refusal_is_told) {
    static const struct test_answer answers[] = {
        {.out = "/dev/shm/claude-sandbox-7\n"},
        {.status = 255, .errout = "no\n"},
        {.status = 0},
        {.status = 255, .errout = "still no\n"},
    };
    TEST_AUTORUNNER runner = {.answers = answers, .n_answers = 4};
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_int_eq(carry(&runner, NULL, &e), CSB_EENGINE);
    test_check_error(e, CSB_EENGINE, "carrying /run/a.sock into the VM");
    test_check_error(e, CSB_EENGINE, "still no");
}
END_TEST

/* A guest's answer becomes part of an argument: anything but what we asked for is refused. */
START_TEST(a_guest_cant_choose_the_place) {
    static const char *const lies[] = {
        "",
        "/dev/shm/claude-sandbox-\n",
        "/dev/shm/claude-sandbox-1:2\n",
        "/dev/shm/claude-sandbox-1/..\n",
        "/dev/shm/claude-sandbox-12345678901\n",
        "/home/x\n",
        "127.0.0.1:22\n",
    };

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        const struct test_answer answers[] = {{.out = lies[i]}};
        TEST_AUTORUNNER runner = {.answers = answers, .n_answers = 1};

        ck_assert_int_eq(carry(&runner, NULL, NULL), CSB_EPROTOCOL);
        ck_assert_uint_eq(runner.n_calls, 1);
    }
}
END_TEST

START_TEST(a_guest_without_a_place) {
    static const struct test_answer answers[] = {
        {.status = 1, .out = "/dev/shm/claude-sandbox-7\n", .errout = "mkdir: no\n"}};
    TEST_AUTORUNNER runner = {.answers = answers, .n_answers = 1};
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_int_eq(carry(&runner, NULL, &e), CSB_EPROTOCOL);
    ck_assert_ptr_nonnull(strstr(csb_error_detail(e), "mkdir: no"));
}
END_TEST

START_TEST(odd_paths_are_escaped_for_ssh) {
    CSB__AUTOSTRBUF spec = CSB__STRBUF_INIT;

    csb__socket_spec(&spec, "/g/n.sock", "/h:o/100%d/b\\c d/ü");
    ck_assert_str_eq(csb__strbuf_text(&spec), "/g/n.sock:/h\\:o/100%%d/b\\\\c d/ü");
}
END_TEST

Suite *socket_suite(void);
Suite *socket_suite(void) {
    Suite *s = suite_create("socket");
    TCase *tc = test_case(s, "socket");

    tcase_add_test(tc, leads_from_the_guests_place_to_ours);
    tcase_add_test(tc, what_an_old_connection_left_is_cleared);
    tcase_add_test(tc, a_refusal_is_told);
    tcase_add_test(tc, a_guest_cant_choose_the_place);
    tcase_add_test(tc, a_guest_without_a_place);
    tcase_add_test(tc, odd_paths_are_escaped_for_ssh);
    return s;
}
