/* SPDX-License-Identifier: MIT */
#include "guest/git_identity.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "support.h"

/* The script, as a guest's shell runs it; what the guest's configuration says afterwards, by git. */
static char *run_in_guest(const char *script, bool has_config) {
    TEST_AUTOENV env;
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTOFREE char *config = NULL;
    CSB__AUTOFREE char *home = NULL;
    const char *argv[] = {"/bin/sh", "-eu", "-c", NULL, NULL};
    const char *envp[] = {"PATH=/usr/bin:/bin", NULL, NULL};
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT r = {0};

    test_env(&env);
    config = test_join(env.state_dir, ".gitconfig");
    if (has_config) {
        test_write(config, "", 0600);
    }
    csb__strbuf_printf(&text, "%s[ ! -e $HOME/.gitconfig ] || git config --global --list\n",
                       script);
    argv[3] = csb__strbuf_text(&text);
    ck_assert_int_ge(asprintf(&home, "HOME=%s", env.state_dir), 0);
    envp[1] = home;
    run.argv = argv;
    run.envp = envp;
    ck_assert_int_eq(csb__run(&env, &run, &r, NULL), 0);
    ck_assert_msg(r.status == 0, "%s\n%s", script, csb__strbuf_text(&r.errout));
    return csb__strbuf_detach(&r.out);
}

static void make_script(const struct test_answer *answers, struct test_runner *runner,
                        struct csb__strbuf *script) {
    TEST_AUTOENV env;

    test_env(&env);
    *runner = (struct test_runner){.answers = answers, .n_answers = 2};
    test_runner_use(&env, runner);
    ck_assert_int_eq(csb__git_identity(&env, script, NULL), 0);
    ck_assert(!script->failed);
}

START_TEST(the_hosts_name_and_address) {
    static const struct test_answer answers[] = {{.out = "Ann $(id) O'Nym \\ \"x\" #;\t\n"},
                                                 {.out = "ann@example.com\nignored\n"}};
    TEST_AUTORUNNER runner;
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTOFREE char *virgin = NULL;
    CSB__AUTOFREE char *own = NULL;

    make_script(answers, &runner, &script);
    ck_assert(test_has_words(&runner.calls[0].argv, "git", "config", "--global", "--get",
                             "user.name", NULL));
    ck_assert(test_has_words(&runner.calls[1].argv, "--get", "user.email", NULL));
    virgin = run_in_guest(csb__strbuf_text(&script), false);
    ck_assert_str_eq(virgin, "user.name=Ann $(id) O'Nym \\ \"x\" #;\t\n"
                             "user.email=ann@example.com\n");
    /* What the guest has is its own. */
    own = run_in_guest(csb__strbuf_text(&script), true);
    ck_assert_str_eq(own, "");
}
END_TEST

START_TEST(a_host_without_git) {
    char much[400];
    const struct test_answer answers[][2] = {
        {{.status = 1}, {.status = 1}},
        {{.rc = CSB_ESYSTEM}, {.rc = CSB_ESYSTEM}},
        {{.out = "\n"}, {.out = ""}},
        {{.out = much}, {.out = much}},
    };

    memset(much, 'x', sizeof(much));
    much[sizeof(much) - 1] = '\0';
    for (size_t i = 0; i < 4; i++) {
        TEST_AUTORUNNER runner;
        CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
        CSB__AUTOFREE char *noted = NULL;

        make_script(answers[i], &runner, &script);
        noted = run_in_guest(csb__strbuf_text(&script), false);
        ck_assert_str_eq(noted, "");
    }
}
END_TEST

START_TEST(a_cancel_is_not_swallowed) {
    static const struct test_answer answers[][2] = {{{.rc = CSB_ECANCELED}},
                                                    {{.out = "Ann"}, {.rc = CSB_ECANCELED}}};

    for (size_t i = 0; i < 2; i++) {
        TEST_AUTOENV env;
        TEST_AUTORUNNER runner = {.answers = answers[i], .n_answers = 2};
        CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
        CSB__AUTOERROR csb_error *e = NULL;

        test_env(&env);
        test_runner_use(&env, &runner);
        ck_assert_int_eq(csb__git_identity(&env, &script, &e), CSB_ECANCELED);
        ck_assert_ptr_nonnull(e);
        ck_assert_uint_eq(runner.n_calls, i + 1);
    }
}
END_TEST

Suite *git_identity_suite(void);
Suite *git_identity_suite(void) {
    Suite *s = suite_create("git_identity");
    TCase *tc = test_case(s, "git_identity");

    tcase_add_test(tc, the_hosts_name_and_address);
    tcase_add_test(tc, a_host_without_git);
    tcase_add_test(tc, a_cancel_is_not_swallowed);
    return s;
}
