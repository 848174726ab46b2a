/* SPDX-License-Identifier: MIT */
#include "guest/forward.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "support.h"

/* Somebody who listens on a port of the kernel's choice. */
static int listen_at(in_addr_t where, uint16_t *port) {
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    addr.sin_addr.s_addr = htonl(where);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    *port = ntohs(addr.sin_port);
    return fd;
}

START_TEST(ports_in_use_are_known) {
    struct csb__port port = {0, 80};
    CSB__AUTOERROR csb_error *e = NULL;
    int fd = listen_at(INADDR_LOOPBACK, &port.host);

    ck_assert_int_eq(csb__ports_check_free(NULL, 0, NULL, 0, NULL), 0);
    ck_assert_int_eq(csb__ports_check_free(&port, 1, NULL, 0, &e), CSB_EBUSY);
    test_check_error(e, CSB_EBUSY, "is in use");
    /* Unless it is we. */
    ck_assert_int_eq(csb__ports_check_free(&port, 1, &port, 1, NULL), 0);
    close(fd);
    ck_assert_int_eq(csb__ports_check_free(&port, 1, NULL, 0, NULL), 0);
}
END_TEST

#ifdef __linux__
START_TEST(only_our_address_matters) {
    struct csb__port port = {0, 80};
    CSB__AUTOCLOSE int fd = listen_at(INADDR_LOOPBACK + 1, &port.host);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(csb__ports_check_free(&port, 1, NULL, 0, NULL), 0);
}
END_TEST
#endif

static const struct csb__port two[] = {{8080, 80}, {9090, 9090}};

static int forwards(const struct test_answer *answers, size_t n, struct test_runner *runner,
                    bool close_them, csb_error **err) {
    TEST_AUTOENV env;
    const struct csb__door door = {(char *)"/c", (char *)"box", (char *)"/no/such/socket"};
    int rc = 0;

    test_env(&env);
    *runner = (struct test_runner){.answers = answers, .n_answers = n};
    test_runner_use(&env, runner);
    if (close_them) {
        csb__forwards_close(&env, &door, two, 2);
    } else {
        rc = csb__forwards_open(&env, &door, two, 2, err);
    }
    return rc;
}

START_TEST(each_is_asked_of_ssh) {
    TEST_AUTORUNNER runner;

    ck_assert_int_eq(forwards(NULL, 0, &runner, false, NULL), 0);
    ck_assert_uint_eq(runner.n_calls, 2);
    /* On the host's loopback only. */
    ck_assert(test_has_words(&runner.calls[0].argv, "-O", "forward", "-L",
                             "127.0.0.1:8080:127.0.0.1:80", "box", NULL));
    ck_assert(test_has_words(&runner.calls[1].argv, "-L", "127.0.0.1:9090:127.0.0.1:9090", NULL));
}
END_TEST

START_TEST(a_refusal_names_the_port) {
    static const struct test_answer answers[] = {
        {.status = 0},
        {.status = 255,
         .errout = "mux_client_forward: forwarding request failed: Port "
                   "forwarding failed\n"},
    };
    TEST_AUTORUNNER runner;
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_int_eq(forwards(answers, 2, &runner, false, &e), CSB_EENGINE);
    test_check_error(e, CSB_EENGINE, "port 9090 of the host: ");
    test_check_error(e, CSB_EENGINE, "forwarding request failed");
}
END_TEST

START_TEST(all_are_closed_whatever_ssh_says) {
    static const struct test_answer answers[] = {{.status = 255}, {.status = 255}};
    TEST_AUTORUNNER runner;

    forwards(answers, 2, &runner, true, NULL);
    ck_assert_uint_eq(runner.n_calls, 2);
    ck_assert(test_has_words(&runner.calls[1].argv, "-O", "cancel", "-L",
                             "127.0.0.1:9090:127.0.0.1:9090", NULL));
}
END_TEST

START_TEST(closing_keeps_a_cancel_for_the_next) {
    TEST_AUTOENV env;
    TEST_AUTORUNNER runner = {0};
    const struct csb__door door = {(char *)"/c", (char *)"box", (char *)"/no/such/socket"};

    test_env(&env);
    test_runner_use(&env, &runner);
    csb__env_cancel(&env);
    csb__forwards_close(&env, &door, two, 2);
    ck_assert_uint_eq(runner.n_calls, 2);
    ck_assert_int_eq(csb__env_check(&env, "x", NULL), CSB_ECANCELED);
}
END_TEST

Suite *forward_suite(void);
Suite *forward_suite(void) {
    Suite *s = suite_create("forward");
    TCase *tc = test_case(s, "forward");

    tcase_add_test(tc, ports_in_use_are_known);
#ifdef __linux__
    tcase_add_test(tc, only_our_address_matters);
#endif
    tcase_add_test(tc, each_is_asked_of_ssh);
    tcase_add_test(tc, a_refusal_names_the_port);
    tcase_add_test(tc, all_are_closed_whatever_ssh_says);
    tcase_add_test(tc, closing_keeps_a_cancel_for_the_next);
    return s;
}
