/* SPDX-License-Identifier: MIT */
#include <claudesandbox/claude.h>

#include <string.h>

#include "fake_vm.h"

/* Nothing of whoever runs the tests may reach them. */
static const char *const passed[] = {
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_MODEL",
    "ANTHROPIC_SMALL_FAST_MODEL",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "COLORTERM",
    "LANG",
    "NO_COLOR",
    "TZ",
};

static void clear_environment(void) {
    for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++) {
        unsetenv(passed[i]);
    }
}

/* The words that claude is run with, as the guest's shell is told them. */
static void check_words(struct fake_vm *f, const csb_claude_options *o, const char *expected) {
    csb_exit done = {-1};
    CSB__AUTOERROR csb_error *e = NULL;
    const struct csb__strv *argv;
    const char *script;

    test_runner_finish(&f->runner);
    ck_assert_msg(csb_vm_exec_claude(&f->vm, o, &done, &e) == 0, "%s", csb_error_message(e));
    argv = &f->runner.calls[f->runner.n_calls - 1].argv;
    script = argv->items[argv->len - 1];
    ck_assert_msg(strstr(script, expected), "%s is not in %s", expected, script);
}

#define Q "'\\''"

START_TEST(how_claude_is_called) {
    static const char *const args[] = {"--model", "x y", NULL};
    static const char *const chosen[] = {"--permission-mode", "plan", NULL};
    static const char *const joined[] = {"--permission-mode=plan", NULL};
    static const char *const skip[] = {"--dangerously-skip-permissions", NULL};
    static const char *const behind[] = {"--", "--permission-mode", NULL};
    AUTOVM f;
    csb_claude_options o = CSB_CLAUDE_OPTIONS_INIT;

    clear_environment();
    fake_vm_make(&f, NULL, 0);
    fake_vm_run(&f);
    check_words(&f, NULL,
                Q "claude" Q " " Q "--permission-mode" Q " " Q "bypassPermissions" Q " ;");
    o.args = args;
    check_words(&f, &o, Q "bypassPermissions" Q " " Q "--model" Q " " Q "x y" Q " ;");
    o.args = chosen;
    check_words(&f, &o, Q "claude" Q " " Q "--permission-mode" Q " " Q "plan" Q " ;");
    o.args = joined;
    check_words(&f, &o, Q "claude" Q " " Q "--permission-mode=plan" Q " ;");
    o.args = skip;
    check_words(&f, &o, Q "claude" Q " " Q "--dangerously-skip-permissions" Q " ;");
    o.args = behind;
    check_words(&f, &o, Q "bypassPermissions" Q " " Q "--" Q " " Q "--permission-mode" Q " ;");
    o.args = NULL;
    o.permission_mode = "acceptEdits";
    o.prompt = "--do it";
    check_words(&f, &o,
                Q "--permission-mode" Q " " Q "acceptEdits" Q " " Q "-p" Q " " Q "--" Q " " Q
                  "--do it" Q " ;");
}
END_TEST

START_TEST(what_claude_knows_of_us) {
    static const char *const env[] = {"ANTHROPIC_API_KEY=given", "MINE=1", NULL};
    AUTOVM f;
    csb_claude_options o = CSB_CLAUDE_OPTIONS_INIT;
    csb_exit done;
    const char *text;
    const struct csb__strv *argv;

    clear_environment();
    setenv("ANTHROPIC_API_KEY", "ours", 1);
    setenv("TZ", "Mars/Olympus", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "never", 1);
    fake_vm_make(&f, NULL, 0);
    fake_vm_run(&f);
    o.env = env;
    ck_assert_int_eq(csb_vm_exec_claude(&f.vm, &o, &done, NULL), 0);
    clear_environment();
    unsetenv("AWS_SECRET_ACCESS_KEY");
    text = f.runner.calls[f.runner.n_calls - 2].input;
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_nonnull(strstr(text, "export ANTHROPIC_API_KEY='given'\n"));
    ck_assert_ptr_null(strstr(text, "ours"));
    ck_assert_ptr_nonnull(strstr(text, "export MINE='1'\n"));
    ck_assert_ptr_nonnull(strstr(text, "export CLAUDE_CODE_SANDBOXED='1'\n"));
    ck_assert_ptr_null(strstr(text, "AWS_SECRET_ACCESS_KEY"));
    /* What is no secret needs no file. */
    argv = &f.runner.calls[f.runner.n_calls - 1].argv;
    text = argv->items[argv->len - 1];
    ck_assert_ptr_nonnull(strstr(text, "export TZ=" Q "Mars/Olympus" Q "; "));
    ck_assert_ptr_nonnull(strstr(text, "export UV_PROJECT_ENVIRONMENT=" Q ".venv-agent" Q "; "));
    ck_assert_ptr_null(strstr(text, "given"));
}
END_TEST

static size_t count_inputs(const struct fake_vm *f, const char *text) {
    size_t n = 0;

    for (size_t i = 0; i < f->runner.n_calls; i++) {
        n += f->runner.calls[i].input && strcmp(f->runner.calls[i].input, text) == 0;
    }
    return n;
}

/* Only where Claude would ask, and not of a key so short that its end is most of it. */
START_TEST(a_key_is_approved_by_its_end) {
    static const char key[] =
        "sk-ant-api03-0123456789012345678901234567890123456789012345678901234567890123-"
        "ThisIsTheEndOfIt";
    AUTOVM f;
    csb_claude_options o = CSB_CLAUDE_OPTIONS_INIT;
    csb_exit done;

    clear_environment();
    fake_vm_make(&f, NULL, 0);
    fake_vm_run(&f);
    setenv("ANTHROPIC_API_KEY", key, 1);
    ck_assert_int_eq(csb_vm_exec_claude(&f.vm, &o, &done, NULL), 0);
    ck_assert_uint_eq(count_inputs(&f, "123-ThisIsTheEndOfIt\n"), 0);
    test_runner_finish(&f.runner);
    o.flags = CSB_EXEC_TTY;
    ck_assert_int_eq(csb_vm_exec_claude(&f.vm, &o, &done, NULL), 0);
    ck_assert_uint_eq(count_inputs(&f, "123-ThisIsTheEndOfIt\n"), 1);
    test_runner_finish(&f.runner);
    setenv("ANTHROPIC_API_KEY", "short-ThisIsTheEndOfIt", 1);
    ck_assert_int_eq(csb_vm_exec_claude(&f.vm, &o, &done, NULL), 0);
    clear_environment();
    for (size_t i = 0; i < f.runner.n_calls; i++) {
        ck_assert(!f.runner.calls[i].input || strncmp(f.runner.calls[i].input, "export", 6) == 0);
    }
}
END_TEST

START_TEST(an_endpoint_on_the_host_is_carried) {
    AUTOVM f;
    csb_exit done;

    clear_environment();
    fake_vm_make(&f, NULL, 0);
    fake_vm_run(&f);
    setenv("ANTHROPIC_BASE_URL", "http://[::1]:4000/v1", 1);
    ck_assert_int_eq(csb_vm_exec_claude(&f.vm, NULL, &done, NULL), 0);
    ck_assert(
        test_has_words(&f.runner.calls[1].argv, "-O", "forward", "-R", "4000:[::1]:4000", NULL));
    /* Under the same URL. */
    ck_assert_ptr_nonnull(strstr(f.runner.calls[f.runner.n_calls - 2].input,
                                 "export ANTHROPIC_BASE_URL='http://[::1]:4000/v1'\n"));
    test_runner_finish(&f.runner);
    setenv("ANTHROPIC_BASE_URL", "https://api.example.com", 1);
    ck_assert_int_eq(csb_vm_exec_claude(&f.vm, NULL, &done, NULL), 0);
    clear_environment();
    for (size_t i = 0; i < f.runner.n_calls; i++) {
        ck_assert(!test_has(&f.runner.calls[i].argv, "forward"));
    }
}
END_TEST

START_TEST(what_is_refused) {
    AUTOVM f;
    csb_claude_options o = CSB_CLAUDE_OPTIONS_INIT;
    csb_exit done;

    fake_vm_make(&f, NULL, 0);
    ck_assert_int_eq(csb_vm_exec_claude(&f.vm, &o, &done, NULL), CSB_ESTATE);
    fake_vm_run(&f);
    o.flags = CSB_EXEC_LOGIN;
    ck_assert_int_eq(csb_vm_exec_claude(&f.vm, &o, &done, NULL), CSB_EINVAL);
    o.flags = 0;
    o.size = 3;
    ck_assert_int_eq(csb_vm_exec_claude(&f.vm, &o, &done, NULL), CSB_EINVAL);
    ck_assert_uint_eq(f.runner.n_calls, 0);
}
END_TEST

Suite *claude_suite(void);
Suite *claude_suite(void) {
    Suite *s = suite_create("claude");
    TCase *tc = test_case(s, "claude");

    tcase_add_test(tc, how_claude_is_called);
    tcase_add_test(tc, what_claude_knows_of_us);
    tcase_add_test(tc, a_key_is_approved_by_its_end);
    tcase_add_test(tc, an_endpoint_on_the_host_is_carried);
    tcase_add_test(tc, what_is_refused);
    return s;
}
