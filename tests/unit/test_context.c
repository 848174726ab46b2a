/* SPDX-License-Identifier: MIT */
#include "context.h"

#include <claudesandbox/version.h>

#include <string.h>
#include <unistd.h>

#include "support.h"

static void setup(void) {
    unsetenv("CLAUDE_SANDBOX_HOME");
    unsetenv("CLAUDE_SANDBOX_ENGINE");
    unsetenv("CLAUDE_SANDBOX_GUEST_DIR");
}

static void free_ctx(csb_ctx **ctx) {
    csb_ctx_free(*ctx);
}
#define AUTOCTX CSB__CLEANUP(free_ctx) csb_ctx

START_TEST(root_is_refused) {
    AUTOCTX *ctx = NULL;
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_int_eq(csb_ctx_new(NULL, &ctx, &e), CSB_ENOTSUP);
    test_check_error(e, CSB_ENOTSUP, "root");
    ck_assert_ptr_null(ctx);
}
END_TEST

static void check_state_dir(const char *option, const char *expected) {
    csb_ctx_options o = CSB_CTX_OPTIONS_INIT;
    AUTOCTX *ctx = NULL;
    CSB__AUTOERROR csb_error *e = NULL;

    o.state_dir = option;
    ck_assert_msg(csb_ctx_new(&o, &ctx, &e) == 0, "%s", csb_error_message(e));
    ck_assert_str_eq(csb_ctx_state_dir(ctx), expected);
}

START_TEST(where_the_state_is) {
    CSB__AUTOFREE char *home = test_dir();
    CSB__AUTOFREE char *in_home = test_join(home, ".claude-sandbox");
    CSB__AUTOFREE char *link = test_join(home, "link");
    CSB__AUTOFREE char *behind = test_join(link, "yet/to be made");
    CSB__AUTOFREE char *real = test_join(home, "yet/to be made");

    setenv("HOME", home, 1);
    check_state_dir(NULL, in_home);
    setenv("CLAUDE_SANDBOX_HOME", "", 1);
    check_state_dir("", in_home);
    setenv("CLAUDE_SANDBOX_HOME", "/nonexistent/../x//y/.", 1);
    check_state_dir(NULL, "/x/y");
    check_state_dir("/z", "/z");
    /* Mounts are compared by their real paths, also with what is yet to be made. */
    ck_assert_int_eq(symlink(home, link), 0);
    check_state_dir(behind, real);
    ck_assert_int_eq(test_count_entries(home), 1);
}
END_TEST

START_TEST(where_the_state_can_not_be) {
    static const struct {
        const char *path;
        const char *why;
    } cases[] = {{"relative", "not an absolute path"},
                 {"/tmp/\xff", "not UTF-8"},
                 {"/tmp/a\nb", "control characters"},
                 {"/tmp/${HOME}", "ssh takes \"${\" for a variable"},
                 {"/dev/null/x", "can't use /dev/null/x"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        csb_ctx_options o = CSB_CTX_OPTIONS_INIT;
        AUTOCTX *ctx = NULL;
        CSB__AUTOERROR csb_error *e = NULL;

        o.state_dir = cases[i].path;
        ck_assert_int_lt(csb_ctx_new(&o, &ctx, &e), 0);
        ck_assert_msg(strstr(csb_error_message(e), cases[i].why), "%s", csb_error_message(e));
        ck_assert_ptr_null(ctx);
    }
    /* A dollar or a brace alone is what it is. */
    check_state_dir("/nonexistent/$x{y}", "/nonexistent/$x{y}");
}
END_TEST

static int with_engine(const char *option, csb_ctx **ctx, csb_error **err) {
    csb_ctx_options o = CSB_CTX_OPTIONS_INIT;

    o.state_dir = "/nonexistent";
    o.engine = option;
    return csb_ctx_new(&o, ctx, err);
}

START_TEST(which_engine_is_wanted) {
    AUTOCTX *option = NULL;
    AUTOCTX *variable = NULL;
    AUTOCTX *none = NULL;
    AUTOCTX *bad = NULL;
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_int_eq(with_engine("", &none, NULL), 0);
    ck_assert_ptr_null(none->wanted_engine);
    setenv("CLAUDE_SANDBOX_ENGINE", "lima", 1);
    ck_assert_int_eq(with_engine(NULL, &variable, NULL), 0);
    ck_assert_str_eq(variable->wanted_engine, "lima");
    setenv("CLAUDE_SANDBOX_ENGINE", "vbox", 1);
    ck_assert_int_eq(with_engine("lima", &option, NULL), 0);
    ck_assert_str_eq(option->wanted_engine, "lima");
    ck_assert_int_eq(with_engine(NULL, &bad, &e), CSB_EINVAL);
    test_check_error(e, CSB_EINVAL, "no engine \"vbox\"");
}
END_TEST

static int probes;

static int probe(struct csb__env *env, char **what, csb_error **err) {
    (void)env;
    (void)what;
    probes++;
    return csb__fail(err, CSB_ENOENGINE, "not here");
}

START_TEST(an_engine_is_chosen_once) {
    static const struct csb__engine chosen = {.name = "chosen", .probe = probe};
    AUTOCTX *ctx = NULL;
    const char *name = NULL;
    const char *why = NULL;

    ck_assert_int_eq(with_engine(NULL, &ctx, NULL), 0);
    ctx->engine = &chosen;
    ctx->engine_why = strdup("because");
    ck_assert_int_eq(csb_ctx_engine(ctx, &name, &why, NULL), 0);
    ck_assert_str_eq(name, "chosen");
    ck_assert_str_eq(why, "because");
    ck_assert_int_eq(csb_ctx_engine(ctx, &name, NULL, NULL), 0);
    ck_assert_int_eq(probes, 0);
}
END_TEST

START_TEST(a_context_can_be_cancelled_and_freed) {
    AUTOCTX *ctx = NULL;

    csb_ctx_free(NULL);
    ck_assert_int_eq(with_engine(NULL, &ctx, NULL), 0);
    ck_assert_int_eq(csb_ctx_cancel(ctx), 0);
    ck_assert_int_eq(csb__env_check(&ctx->env, "x", NULL), CSB_ECANCELED);
    ck_assert_str_eq(csb_version(), CSB_VERSION_STRING);
}
END_TEST

START_TEST(options_of_a_newer_program) {
    struct {
        csb_ctx_options o;
        int more;
    } newer = {.o = CSB_CTX_OPTIONS_INIT};
    AUTOCTX *ctx = NULL;
    AUTOCTX *none = NULL;

    newer.o.size = sizeof(newer);
    newer.o.state_dir = "/nonexistent";
    ck_assert_int_eq(csb_ctx_new(&newer.o, &ctx, NULL), 0);
    newer.more = 1;
    ck_assert_int_eq(csb_ctx_new(&newer.o, &none, NULL), CSB_EINVAL);
}
END_TEST

Suite *context_suite(void);
Suite *context_suite(void) {
    Suite *s = suite_create("context");
    TCase *tc = test_case(s, "context");

    tcase_add_checked_fixture(tc, setup, NULL);
    if (geteuid() == 0) {
        tcase_add_test(tc, root_is_refused);
    } else {
        tcase_add_test(tc, where_the_state_is);
        tcase_add_test(tc, where_the_state_can_not_be);
        tcase_add_test(tc, which_engine_is_wanted);
        tcase_add_test(tc, an_engine_is_chosen_once);
        tcase_add_test(tc, a_context_can_be_cancelled_and_freed);
        tcase_add_test(tc, options_of_a_newer_program);
    }
    return s;
}
