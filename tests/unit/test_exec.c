/* SPDX-License-Identifier: MIT */
#include <claudesandbox/exec.h>

#include <string.h>

#include "fake_vm.h"

static const char *const argv_true[] = {"true", "a b", NULL};

START_TEST(what_is_refused) {
    static const char *const none[] = {NULL};
    static const char *const bad_env[] = {"A=1", "nonsense", NULL};
    AUTOVM f;
    csb_exec_options o = CSB_EXEC_OPTIONS_INIT;
    csb_exit done = {.status = -7};

    fake_vm_make(&f, NULL, 0);
    fake_vm_run(&f);
    ck_assert_int_eq(csb_vm_exec(&f.vm, NULL, &done, NULL), CSB_EINVAL);
    ck_assert_int_eq(csb_vm_exec(&f.vm, &o, &done, NULL), CSB_EINVAL);
    o.argv = none;
    ck_assert_int_eq(csb_vm_exec(&f.vm, &o, &done, NULL), CSB_EINVAL);
    o.argv = argv_true;
    o.flags = 4;
    ck_assert_int_eq(csb_vm_exec(&f.vm, &o, &done, NULL), CSB_EINVAL);
    o.flags = 0;
    o.cwd = "relative";
    ck_assert_int_eq(csb_vm_exec(&f.vm, &o, &done, NULL), CSB_EINVAL);
    o.cwd = NULL;
    o.env = bad_env;
    ck_assert_int_eq(csb_vm_exec(&f.vm, &o, &done, NULL), CSB_EINVAL);
    o.env = NULL;
    /* -2 means something to ourselves only. */
    for (int i = 0; i < 3; i++) {
        o.stdin_fd = i == 0 ? -2 : -1;
        o.stdout_fd = i == 1 ? -2 : -1;
        o.stderr_fd = i == 2 ? -2 : -1;
        ck_assert_int_eq(csb_vm_exec(&f.vm, &o, &done, NULL), CSB_EINVAL);
    }
    o.stderr_fd = -1;
    o.size = 1;
    ck_assert_int_eq(csb_vm_exec(&f.vm, &o, &done, NULL), CSB_EINVAL);
    ck_assert_uint_eq(f.runner.n_calls, 0);
    ck_assert_int_eq(done.status, -7);
}
END_TEST

START_TEST(only_where_it_runs) {
    AUTOVM f;
    csb_exec_options o = CSB_EXEC_OPTIONS_INIT;
    csb_exit done;

    fake_vm_make(&f, NULL, 0);
    o.argv = argv_true;
    ck_assert_int_eq(csb_vm_exec(&f.vm, &o, &done, NULL), CSB_ESTATE);
    ck_assert_uint_eq(f.runner.n_calls, 0);
}
END_TEST

static const char *script_of(const struct test_call *call) {
    return call->argv.items[call->argv.len - 1];
}

/* The number that two scripts share. */
static void check_same_token(const char *a, const char *a_prefix, const char *b,
                             const char *b_prefix) {
    const char *x = strstr(a, a_prefix);
    const char *y = strstr(b, b_prefix);

    ck_assert_msg(x && y, "%s\n%s", a, b);
    ck_assert_uint_eq(strspn(x + strlen(a_prefix), "0123456789abcdef"), 16);
    ck_assert_int_eq(strncmp(x + strlen(a_prefix), y + strlen(b_prefix), 16), 0);
}

START_TEST(a_program_and_its_status) {
    static const struct test_answer answers[] = {{.status = 0}, {.status = 0}, {.status = 42}};
    AUTOVM f;
    csb_exec_options o = CSB_EXEC_OPTIONS_INIT;
    csb_exit done = {-1};
    const struct test_call *call;

    fake_vm_make(&f, answers, 3);
    fake_vm_run(&f);
    o.argv = argv_true;
    o.stdin_fd = -1;
    ck_assert_int_eq(csb_vm_exec(&f.vm, &o, &done, NULL), 0);
    ck_assert_int_eq(done.status, 42);
    ck_assert_uint_eq(f.runner.n_calls, 3);
    call = &f.runner.calls[2];
    /* In the project, unless told otherwise; quoted once more for the outer shell. */
    ck_assert_ptr_nonnull(strstr(script_of(call), "cd -- '\\''" FAKE_PROJECT "'\\''"));
    ck_assert_ptr_nonnull(strstr(script_of(call), "'\\''true'\\'' '\\''a b'\\''"));
    ck_assert(call->stdin_fd == -1 && call->stdout_fd == 1 && call->stderr_fd == 2);
    ck_assert(test_has(&call->argv, "-T"));
    /* Its keeper has nothing to tell it but signals. */
    ck_assert_str_eq(f.runner.calls[1].input, "");
    check_same_token(script_of(&f.runner.calls[1]), "/.csb-", script_of(call), "/.csb-");
}
END_TEST

START_TEST(environment_goes_ahead) {
    static const char *const env[] = {"KEY=secret 'x'", "EMPTY=", NULL};
    AUTOVM f;
    csb_exec_options o = CSB_EXEC_OPTIONS_INIT;
    csb_exit done = {-1};
    const struct test_call *calls = f.runner.calls;

    fake_vm_make(&f, NULL, 0);
    fake_vm_run(&f);
    o.argv = argv_true;
    o.env = env;
    ck_assert_int_eq(csb_vm_exec(&f.vm, &o, &done, NULL), 0);
    ck_assert_uint_eq(f.runner.n_calls, 3);
    ck_assert_str_eq(calls[1].input, "export KEY='secret '\\''x'\\'''\nexport EMPTY=''\n");
    check_same_token(script_of(&calls[1]), "/.csb-env-", script_of(&calls[2]), "/.csb-env-");
    for (size_t i = 0; i < f.runner.n_calls; i++) {
        for (size_t k = 0; k < calls[i].argv.len; k++) {
            ck_assert_ptr_null(strstr(calls[i].argv.items[k], "secret"));
        }
    }
}
END_TEST

START_TEST(without_its_environment_nothing_runs) {
    static const struct test_answer answers[] = {{.status = 0},
                                                 {.status = 1, .errout = "No space left\n"}};
    static const char *const env[] = {"KEY=secret", NULL};
    AUTOVM f;
    csb_exec_options o = CSB_EXEC_OPTIONS_INIT;
    csb_exit done = {-7};
    CSB__AUTOERROR csb_error *e = NULL;

    fake_vm_make(&f, answers, 2);
    fake_vm_run(&f);
    o.argv = argv_true;
    o.env = env;
    ck_assert_int_eq(csb_vm_exec(&f.vm, &o, &done, &e), CSB_EENGINE);
    ck_assert_str_eq(csb_error_detail(e), "No space left\n");
    ck_assert_int_eq(done.status, -7);
    ck_assert_uint_eq(f.runner.n_calls, 2);
}
END_TEST

START_TEST(a_login_shell_needs_no_program) {
    AUTOVM f;
    csb_exec_options o = CSB_EXEC_OPTIONS_INIT;
    csb_exit done = {-1};
    const struct csb__strv *argv;

    fake_vm_make(&f, NULL, 0);
    fake_vm_run(&f);
    o.flags = CSB_EXEC_LOGIN | CSB_EXEC_TTY;
    o.cwd = "/elsewhere";
    ck_assert_int_eq(csb_vm_exec(&f.vm, &o, &done, NULL), 0);
    argv = &f.runner.calls[2].argv;
    ck_assert(test_has(argv, "-tt"));
    ck_assert_ptr_nonnull(strstr(argv->items[argv->len - 1], "/elsewhere"));
    ck_assert_ptr_nonnull(strstr(argv->items[argv->len - 1], "\" -l'"));
}
END_TEST

START_TEST(a_lost_connection_is_no_status) {
    static const struct test_answer refused[] = {{.status = 255, .errout = "refused\n"}};
    AUTOVM f;
    csb_exec_options o = CSB_EXEC_OPTIONS_INIT;
    csb_exit done = {-7};

    fake_vm_make(&f, refused, 1);
    fake_vm_run(&f);
    o.argv = argv_true;
    ck_assert_int_eq(csb_vm_exec(&f.vm, &o, &done, NULL), CSB_EENGINE);
    ck_assert_int_eq(done.status, -7);
    ck_assert_uint_eq(f.runner.n_calls, 1);
}
END_TEST

Suite *exec_suite(void);
Suite *exec_suite(void) {
    Suite *s = suite_create("exec");
    TCase *tc = test_case(s, "exec");

    tcase_add_test(tc, what_is_refused);
    tcase_add_test(tc, only_where_it_runs);
    tcase_add_test(tc, a_program_and_its_status);
    tcase_add_test(tc, environment_goes_ahead);
    tcase_add_test(tc, without_its_environment_nothing_runs);
    tcase_add_test(tc, a_login_shell_needs_no_program);
    tcase_add_test(tc, a_lost_connection_is_no_status);
    return s;
}
