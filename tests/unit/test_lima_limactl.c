/* SPDX-License-Identifier: MIT */
#include "test_lima_fake.h"

#include "engine/lima/limactl.h"

static struct csb__limactl limactl(void) {
    return (struct csb__limactl){&fake.env, fake.home, false};
}

static int call_verb(csb_error **err) {
    struct csb__limactl l = limactl();
    CSB__AUTOSTRV args = CSB__STRV_INIT;

    csb__strv_add(&args, "verb");
    return csb__limactl_run(&l, &args, 1000, err);
}

static int answer_ok(const char *const *args, struct csb__run_result *ret, csb_error **err) {
    (void)args;
    (void)err;
    return fake_say(ret, "");
}

START_TEST(each_call_has_our_home_and_a_directory_of_ours) {
    setenv("LIMA_HOME", "/somewhere/else", 1);
    fake.answer = answer_ok;
    ck_assert_int_eq(call_verb(NULL), 0);
    ck_assert_str_eq(fake.calls[0], "verb");
    ck_assert_int_eq(fake.home_ok, 1);
    ck_assert_int_eq(fake.cwd_ok, 1);
}
END_TEST

static int answer_fatal(const char *const *args, struct csb__run_result *ret, csb_error **err) {
    (void)args;
    (void)err;
    csb__strbuf_puts(&ret->errout, "{\"level\":\"info\",\"msg\":\"on it\"}\n");
    return fake_fatal(ret, "no such thing");
}

START_TEST(its_last_fatal_line_is_the_message) {
    csb_error *err = NULL;

    fake.answer = answer_fatal;
    ck_assert_int_eq(call_verb(&err), CSB_EENGINE);
    ck_assert_str_eq(csb_error_message(err), "limactl verb: no such thing");
    ck_assert_int_eq(csb_error_exit_status(err), 1);
    ck_assert_ptr_nonnull(strstr(csb_error_detail(err), "on it"));
    csb_error_free(err);
    ck_assert_int_eq(call_verb(NULL), CSB_EENGINE);
}
END_TEST

static int answer_killed(const char *const *args, struct csb__run_result *ret, csb_error **err) {
    (void)args;
    (void)err;
    ret->signo = 9;
    ret->status = 137;
    return 0;
}

START_TEST(a_silent_death_is_told) {
    csb_error *err = NULL;

    fake.answer = answer_killed;
    ck_assert_int_eq(call_verb(&err), CSB_EENGINE);
    ck_assert_str_eq(csb_error_message(err), "limactl verb ended with signal 9 and no message");
    ck_assert_int_eq(csb_error_exit_status(err), 137);
    csb_error_free(err);
}
END_TEST

static int answer_missing(const char *const *args, struct csb__run_result *ret, csb_error **err) {
    (void)args;
    (void)ret;
    return csb__fail_errno(err, ENOENT, "can't run limactl");
}

START_TEST(a_missing_limactl_comes_with_a_hint) {
    csb_error *err = NULL;

    fake.answer = answer_missing;
    ck_assert_int_eq(call_verb(&err), CSB_ENOENGINE);
    ck_assert_str_eq(csb_error_message(err), "limactl is not installed");
    ck_assert_ptr_nonnull(strstr(csb_error_hint(err), "install Lima"));
    csb_error_free(err);
}
END_TEST

static int answer_timeout(const char *const *args, struct csb__run_result *ret, csb_error **err) {
    (void)args;
    (void)ret;
    return csb__fail(err, CSB_ETIMEOUT, "x");
}

START_TEST(a_timeout_names_the_verb) {
    csb_error *err = NULL;

    fake.answer = answer_timeout;
    ck_assert_int_eq(call_verb(&err), CSB_ETIMEOUT);
    ck_assert_str_eq(csb_error_message(err), "limactl verb did not end in time");
    csb_error_free(err);
}
END_TEST

/* Lima 2.1 while another process clones. */
static int answer_clone_under_way(const char *const *args, struct csb__run_result *ret,
                                  csb_error **err) {
    (void)args;
    (void)err;
    if (fake.n_calls > 1) {
        return fake_say(ret, "");
    }
    return fake_fatal(ret, "unable to load instance x: open /L/x/lima.yaml: no such file or "
                           "directory");
}

START_TEST(a_clone_under_way_is_waited_for) {
    struct csb__limactl l = {&fake.env, fake.home, true};
    CSB__AUTOSTRV args = CSB__STRV_INIT;

    fake.answer = answer_clone_under_way;
    ck_assert_int_eq(call_verb(NULL), 0);
    ck_assert_uint_eq(fake.n_calls, 2);
    ck_assert(fake_has(".claude-sandbox.lock", NULL));
    /* Who has the lock is the one who clones. */
    free(fake.calls[--fake.n_calls]);
    free(fake.calls[--fake.n_calls]);
    csb__strv_add(&args, "verb");
    ck_assert_int_eq(csb__limactl_run(&l, &args, 0, NULL), CSB_EENGINE);
    ck_assert_uint_eq(fake.n_calls, 1);
}
END_TEST

static const char *version_text;

static int answer_version(const char *const *args, struct csb__run_result *ret, csb_error **err) {
    (void)err;
    ck_assert_str_eq(args[0], "--version");
    return fake_say(ret, version_text);
}

static void version(const char *text, int want, const char *says) {
    csb_error *err = NULL;
    char *what = NULL;

    fake.answer = answer_version;
    version_text = text;
    ck_assert_int_eq(csb__limactl_version(&fake.env, &what, &err), want);
    ck_assert_str_eq(want ? csb_error_message(err) : what, says);
    ck_assert(want == 0 || *csb_error_hint(err));
    csb_error_free(err);
    free(what);
}

START_TEST(versions_that_will_do) {
    version("limactl version 2.1.0\n", 0, "limactl 2.1.0");
    version("limactl version 2.2.3\n", 0, "limactl 2.2.3");
    version("limactl version 3.0.0\n", 0, "limactl 3.0.0");
    version("limactl version <unknown>\n", 0, "limactl <unknown>");
    version("limactl version 2.0.3\n", CSB_ENOENGINE, "limactl 2.0.3 is too old");
    version("limactl version 1.2.1\n", CSB_ENOENGINE, "limactl 1.2.1 is too old");
    version("hello\n", CSB_ENOENGINE, "limactl does not work (it is not limactl)");
    fake.answer = answer_fatal;
    ck_assert_int_eq(csb__limactl_version(&fake.env, NULL, NULL), CSB_ENOENGINE);
    ck_assert_int_eq(access(fake.state, F_OK), -1); /* looking makes nothing */
}
END_TEST

Suite *lima_limactl_suite(void);

Suite *lima_limactl_suite(void) {
    Suite *s = suite_create("lima_limactl");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, fake_setup, fake_teardown);
    tcase_add_test(tc, each_call_has_our_home_and_a_directory_of_ours);
    tcase_add_test(tc, its_last_fatal_line_is_the_message);
    tcase_add_test(tc, a_silent_death_is_told);
    tcase_add_test(tc, a_missing_limactl_comes_with_a_hint);
    tcase_add_test(tc, a_timeout_names_the_verb);
    tcase_add_test(tc, a_clone_under_way_is_waited_for);
    tcase_add_test(tc, versions_that_will_do);
    suite_add_tcase(s, tc);
    return s;
}
