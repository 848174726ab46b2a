/* SPDX-License-Identifier: MIT */
#include "guest/provision.h"

#include <stdio.h>
#include <string.h>

#include "support.h"

static struct csb__template_script scripts[] = {
    {.line = 10, .text = (char *)"#!/bin/sh\necho \"it's $PARAM_x\"\n"},
    {.as_user = true, .line = 20, .text = (char *)"#!/bin/sh\nprintf 'in %s\\n' \"$PWD\" # no end"},
    {.line = 30, .text = (char *)"#!/bin/sh\necho sorry >&2\nexit 255\n"},
};
static struct csb__template_pair params[] = {{(char *)"x", (char *)"a 'b' $c"}};
static struct csb__template_pair variables[] = {{(char *)"LEVEL", (char *)"7"}};
static const struct csb__template template = {.params = params,
                                              .n_params = 1,
                                              .env = variables,
                                              .n_env = 1,
                                              .scripts = scripts,
                                              .n_scripts = 3};

/* Runs it as a guest's sh would, with a home, and a sudo that does nothing but note. */
static void run(size_t index, struct csb__run_result *ret, char **note) {
    TEST_AUTOENV env;
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *sudo = test_join(dir, "sudo");
    CSB__AUTOFREE char *path = test_join(dir, "note");
    const char *const argv[] = {"/bin/sh", "-s", NULL};
    char variable[3][300];
    const char *const envp[] = {variable[0], variable[1], variable[2], NULL};
    struct csb__run how = CSB__RUN_INIT;

    test_env(&env);
    snprintf(variable[0], sizeof(variable[0]), "PATH=%s:/usr/bin:/bin", dir);
    snprintf(variable[1], sizeof(variable[1]), "HOME=%s", dir);
    snprintf(variable[2], sizeof(variable[2]), "NOTE=%s", path);
    test_write(sudo, "#!/bin/sh\necho \"$*\" >>\"$NOTE\"\n", 0755);
    csb__provision_script(&script, &template, index, "0123456789abcdef");
    ck_assert(!script.failed);
    how.argv = argv;
    how.envp = envp;
    how.input = csb__strbuf_text(&script);
    how.input_len = script.len;
    ck_assert_int_eq(csb__run(&env, &how, ret, NULL), 0);
    *note = test_read(path);
    ck_assert(!test_exists("/var/tmp/.csb-provision-0123456789abcdef"));
}

START_TEST(a_script_has_its_parameters) {
    CSB__AUTORESULT r = {0};
    CSB__AUTOFREE char *note = NULL;

    run(0, &r, &note);
    ck_assert_int_eq(r.status, 0);
    ck_assert_str_eq(csb__strbuf_text(&r.out), "it's a 'b' $c\n");
    /* Only what went well is not done again. */
    ck_assert_ptr_nonnull(strstr(note, "tee -a /var/lib/claude-sandbox/provisioned"));
}
END_TEST

START_TEST(one_of_the_user_runs_at_home) {
    CSB__AUTORESULT r = {0};
    CSB__AUTOFREE char *note = NULL;

    run(1, &r, &note);
    ck_assert_int_eq(r.status, 0);
    ck_assert_ptr_nonnull(strstr(csb__strbuf_text(&r.out), "in /"));
    ck_assert_str_ne(csb__strbuf_text(&r.out), "in /\n");
}
END_TEST

START_TEST(a_failure_is_not_taken_for_ssh_s) {
    CSB__AUTORESULT r = {0};
    CSB__AUTOFREE char *note = NULL;

    run(2, &r, &note);
    ck_assert_int_eq(r.status, 254);
    ck_assert_str_eq(csb__strbuf_text(&r.out), "sorry\n");
    ck_assert_ptr_null(note);
}
END_TEST

START_TEST(variables_are_for_every_login) {
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF none = CSB__STRBUF_INIT;
    struct csb__template plain = {0};

    csb__provision_env_script(&script, &template);
    ck_assert_ptr_nonnull(strstr(csb__strbuf_text(&script), "export LEVEL='7'\n"));
    ck_assert_ptr_nonnull(strstr(csb__strbuf_text(&script), "'LEVEL=7'"));
    ck_assert_ptr_null(strstr(csb__strbuf_text(&script), "PARAM_"));
    csb__provision_env_script(&none, &plain);
    ck_assert_uint_eq(none.len, 0);
}
END_TEST

static char door_path[] = "/nonexistent";
static const struct csb__door door = {door_path, (char *)"box", door_path};

START_TEST(each_once_and_all_after_a_failure) {
    /* The note, the variables, then the scripts but the first, which has run. */
    static const struct test_answer answers[] = {{.out = "0\nnonsense\n99\n"},
                                                 {.status = 0},
                                                 {.status = 3, .out = "oh no\n"},
                                                 {.status = 0}};
    TEST_AUTOENV env;
    TEST_AUTORUNNER runner = {.answers = answers, .n_answers = 4};
    CSB__AUTOERROR csb_error *e = NULL;

    test_env(&env);
    test_runner_use(&env, &runner);
    ck_assert_int_eq(csb__provision(&env, &door, &template, &e), CSB_EENGINE);
    test_check_error(e, CSB_EENGINE, "the template's script of line 20 ended with status 3");
    ck_assert_str_eq(csb_error_detail(e), "oh no\n");
    ck_assert_uint_eq(runner.n_calls, 4);
    /* As its user, and as root. */
    ck_assert(test_has(&runner.calls[2].argv, "exec /bin/sh -s"));
    ck_assert(test_has(&runner.calls[3].argv, "exec sudo -n /bin/sh -s"));
    ck_assert_ptr_nonnull(strstr(runner.calls[3].input, "echo sorry"));
}
END_TEST

START_TEST(a_lost_connection_ends_it) {
    static const struct test_answer answers[] = {
        {.out = ""}, {.status = 0}, {.status = 255, .errout = "Broken pipe\n"}};
    TEST_AUTOENV env;
    TEST_AUTORUNNER runner = {.answers = answers, .n_answers = 3};
    CSB__AUTOERROR csb_error *e = NULL;

    test_env(&env);
    test_runner_use(&env, &runner);
    ck_assert_int_eq(csb__provision(&env, &door, &template, &e), CSB_EENGINE);
    test_check_error(e, CSB_EENGINE, "the connection to the VM failed");
    ck_assert_uint_eq(runner.n_calls, 3);
}
END_TEST

Suite *provision_suite(void);
Suite *provision_suite(void) {
    Suite *s = suite_create("provision");
    TCase *tc = test_case(s, "provision");

    tcase_add_test(tc, a_script_has_its_parameters);
    tcase_add_test(tc, one_of_the_user_runs_at_home);
    tcase_add_test(tc, a_failure_is_not_taken_for_ssh_s);
    tcase_add_test(tc, variables_are_for_every_login);
    tcase_add_test(tc, each_once_and_all_after_a_failure);
    tcase_add_test(tc, a_lost_connection_ends_it);
    return s;
}
