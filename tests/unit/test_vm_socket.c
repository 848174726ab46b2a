/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "fake_vm.h"

START_TEST(what_is_refused) {
    AUTOVM f;
    CSB__AUTOERROR csb_error *e = NULL;
    char path[200];

    fake_vm_make(&f, NULL, 0);
    fake_vm_run(&f);
    memset(path, 'x', sizeof(path) - 1);
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    ck_assert_int_eq(csb_vm_carry_socket(&f.vm, path, "audio", &e), CSB_EINVAL);
    test_check_error(e, CSB_EINVAL, "too long");
    ck_assert_int_eq(csb_vm_carry_socket(&f.vm, "a.sock", "audio", NULL), CSB_EINVAL);
    ck_assert_int_eq(csb_vm_carry_socket(&f.vm, NULL, "audio", NULL), CSB_EINVAL);
    ck_assert_int_eq(csb_vm_carry_socket(&f.vm, "/a.sock", NULL, NULL), CSB_EINVAL);
    ck_assert_int_eq(csb_vm_carry_socket(&f.vm, "/a.sock", "", NULL), CSB_EINVAL);
    ck_assert_int_eq(csb_vm_carry_socket(&f.vm, "/a.sock", "../x", NULL), CSB_EINVAL);
    ck_assert_int_eq(csb_vm_carry_socket(&f.vm, "/a.sock", "x y", NULL), CSB_EINVAL);
    ck_assert_int_eq(
        csb_vm_carry_socket(&f.vm, "/a.sock", "abcdefghijklmnopqrstuvwxyz0123456", NULL),
        CSB_EINVAL);
    /* Whoever takes it takes the events with it. */
    ck_assert_int_eq(csb_vm_carry_socket(&f.vm, "/a.sock", "hooks", NULL), CSB_EINVAL);
    ck_assert_uint_eq(f.runner.n_calls, 0);
}
END_TEST

START_TEST(only_where_it_runs) {
    AUTOVM f;

    fake_vm_make(&f, NULL, 0);
    ck_assert_int_eq(csb_vm_carry_socket(&f.vm, "/a.sock", "audio", NULL), CSB_ESTATE);
    ck_assert_uint_eq(f.runner.n_calls, 0);
}
END_TEST

START_TEST(leads_into_the_guest) {
    /* ssh connects, the guest names the place, ssh forwards. */
    static const struct test_answer answers[] = {{.status = 0},
                                                 {.out = "/dev/shm/claude-sandbox-1000\n"}};
    AUTOVM f;
    CSB__AUTOERROR csb_error *e = NULL;

    fake_vm_make(&f, answers, 2);
    fake_vm_run(&f);
    ck_assert_msg(csb_vm_carry_socket(&f.vm, "/a.sock", "audio", &e) == 0, "%s",
                  csb_error_message(e));
    ck_assert_uint_eq(f.runner.n_calls, 3);
    ck_assert(test_has_words(&f.runner.calls[2].argv, "-O", "forward", "-R",
                             "/dev/shm/claude-sandbox-1000/audio.sock:/a.sock", "box", NULL));
}
END_TEST

Suite *vm_socket_suite(void);
Suite *vm_socket_suite(void) {
    Suite *s = suite_create("vm_socket");
    TCase *tc = test_case(s, "vm_socket");

    tcase_add_test(tc, what_is_refused);
    tcase_add_test(tc, only_where_it_runs);
    tcase_add_test(tc, leads_into_the_guest);
    return s;
}
