/* SPDX-License-Identifier: MIT */
#include "test_lima_fake.h"

#include "engine/lima/lima.h"

#define CONFIG                                                                                     \
    "{\"mounts\":[{\"location\":\"/p\",\"mountPoint\":\"/p\",\"writable\":true}],"                 \
    "\"mountType\":\"9p\"}\n"

static struct csb__spec spec;

static void setup(void) {
    fake_setup();
    spec = (struct csb__spec){.name = strdup("vm")};
    ck_assert_int_eq(csb__spec_add_mount(&spec, "/p", "/p", true, NULL), 0);
    fake.config = CONFIG;
}

static void teardown(void) {
    csb__spec_finish(&spec);
    fake_teardown();
}

static int clone_of(const char *base, csb_error **err) {
    struct csb__source source = {.base = base};

    return csb__lima_clone(&fake.env, &spec, &source, err);
}

static int create_from(const char *path, csb_error **err) {
    struct csb__source source = {.template_path = path};

    return csb__lima_create(&fake.env, &spec, &source, err);
}

static void check_message(csb_error *err, const char *part) {
    ck_assert_msg(strstr(csb_error_message(err), part) != NULL, "%s", csb_error_message(err));
    csb_error_free(err);
}

START_TEST(a_clone) {
    fake_machine("base", "Stopped");
    ck_assert_int_eq(clone_of("base", NULL), 0);
    ck_assert_int_eq(fake_called("clone|--tty=false|--set|.mounts = (\""), 1);
    ck_assert(fake_has("vm", "lima.yaml"));
    ck_assert(!fake_has("vm", "ssh.config")); /* the base's */
    ck_assert_int_eq(fake.home_ok, (int)fake.n_calls);
    ck_assert_int_eq(fake.cwd_ok, (int)fake.n_calls);
}
END_TEST

START_TEST(a_base_that_will_not_do) {
    csb_error *err = NULL;

    ck_assert_int_eq(clone_of("base", &err), CSB_ENOTFOUND);
    ck_assert_str_ne(csb_error_hint(err), "");
    csb_error_free(err);
    fake_machine("base", "Running");
    err = NULL;
    ck_assert_int_eq(clone_of("base", &err), CSB_ESTATE);
    ck_assert_str_eq(csb_error_hint(err), "stop it with: limactl stop base");
    csb_error_free(err);
    fake_machine("base", "");
    err = NULL;
    ck_assert_int_eq(clone_of("base", &err), CSB_ESTATE);
    check_message(err, "some error");
    fake_machine("base", "Stopped");
    spec.disk = UINT64_C(5) << 30;
    ck_assert_int_eq(clone_of("base", NULL), CSB_EINVAL);
    ck_assert_int_eq(fake_called("clone"), 0);
}
END_TEST

START_TEST(names_that_are_none) {
    static const char *const bad[] = {"", "-f", "--set", "a/b", "..", "a b", "../L/x", NULL};

    for (int i = 0; bad[i]; i++) {
        ck_assert_msg(clone_of(bad[i], NULL) == CSB_EINVAL, "%s", bad[i]);
    }
    ck_assert_int_eq(clone_of(NULL, NULL), CSB_EINVAL);
    ck_assert_uint_eq(fake.n_calls, 0);
}
END_TEST

START_TEST(what_is_there_is_left_alone) {
    csb_error *err = NULL;

    fake_machine("base", "Stopped");
    fake_machine("vm", "Stopped");
    ck_assert_int_eq(clone_of("base", &err), CSB_EEXISTS);
    csb_error_free(err);
    ck_assert_int_eq(create_from("/t.yaml", NULL), CSB_EEXISTS);
    ck_assert(fake_has("vm", "lima.yaml"));
    ck_assert_int_eq(fake_called("clone") + fake_called("create"), 0);
}
END_TEST

static int answer_race(const char *const *args, struct csb__run_result *ret, csb_error **err) {
    if (strcmp(args[0], "clone") == 0) {
        fake_machine("vm", "Stopped");
        return fake_fatal(ret, "instance `vm` already exists");
    }
    return fake_limactl(args, ret, err);
}

START_TEST(who_was_quicker_keeps_it) {
    fake_machine("base", "Stopped");
    fake.answer = answer_race;
    ck_assert_int_eq(clone_of("base", NULL), CSB_EEXISTS);
    ck_assert(fake_has("vm", "lima.yaml"));
}
END_TEST

static int answer_rejected(const char *const *args, struct csb__run_result *ret, csb_error **err) {
    if (strcmp(args[0], "clone") == 0 || strcmp(args[0], "create") == 0) {
        char path[128];

        fake_machine("vm", "Stopped");
        snprintf(path, sizeof(path), "%s/lima-cwd/lima.REJECTED.yaml", fake.state);
        ck_assert_int_eq(csb__write_file(path, "x", 1, 0600, NULL), 0);
        return fake_fatal(ret, "the YAML is invalid");
    }
    return fake_limactl(args, ret, err);
}

START_TEST(a_failure_leaves_nothing) {
    char path[128];
    csb_error *err = NULL;

    snprintf(path, sizeof(path), "%s/lima-cwd/lima.REJECTED.yaml", fake.state);
    fake_machine("base", "Stopped");
    fake.answer = answer_rejected;
    ck_assert_int_eq(clone_of("base", &err), CSB_EENGINE);
    check_message(err, "limactl clone: the YAML is invalid");
    ck_assert(!fake_has("vm", NULL));
    ck_assert_int_eq(access(path, F_OK), -1);
    ck_assert(fake_has("base", NULL));
    ck_assert_int_eq(create_from("/t.yaml", NULL), CSB_EENGINE);
    ck_assert(!fake_has("vm", NULL));
}
END_TEST

static int answer_cancelled(const char *const *args, struct csb__run_result *ret, csb_error **err) {
    if (strcmp(args[0], "clone") == 0) {
        fake_put("vm", "disk", "half");
        return csb__fail(err, CSB_ECANCELED, "cancelled");
    }
    return fake_limactl(args, ret, err);
}

START_TEST(a_cancelled_clone_leaves_nothing) {
    fake_machine("base", "Stopped");
    fake.answer = answer_cancelled;
    ck_assert_int_eq(clone_of("base", NULL), CSB_ECANCELED);
    ck_assert(!fake_has("vm", NULL));
}
END_TEST

START_TEST(one_that_shares_more_is_not_kept) {
    csb_error *err = NULL;

    fake_machine("base", "Stopped");
    fake.config = "{\"mounts\":[{\"location\":\"/p\",\"mountPoint\":\"/p\",\"writable\":true},"
                  "{\"location\":\"/home/u\"}],\"mountType\":\"9p\"}\n";
    ck_assert_int_eq(clone_of("base", &err), CSB_EPROTOCOL);
    check_message(err, "shares more or fewer");
    ck_assert(!fake_has("vm", NULL));
}
END_TEST

START_TEST(a_template) {
    csb_error *err = NULL;
    char cwd[4096];
    char *call = NULL;

    ck_assert_int_eq(create_from(NULL, &err), CSB_EINVAL);
    ck_assert_ptr_nonnull(strstr(csb_error_hint(err), "--clone-from"));
    csb_error_free(err);
    ck_assert_int_eq(create_from("t.yaml", NULL), 0);
    ck_assert_int_eq(fake_called("create|--tty=false|--name|vm|--set|"), 1);
    ck_assert_ptr_nonnull(getcwd(cwd, sizeof(cwd)));
    ck_assert_int_gt(asprintf(&call, "|%s/t.yaml", strcmp(cwd, "/") ? cwd : ""), 0);
    ck_assert_ptr_nonnull(strstr(fake.calls[0], call));
    free(call);
}
END_TEST

START_TEST(paths_are_checked_first) {
    fake_machine("base", "Stopped");
    ck_assert_int_eq(csb__spec_add_mount(&spec, "/a,b", "/b", true, NULL), 0);
    ck_assert_int_eq(clone_of("base", NULL), CSB_EINVAL);
    ck_assert_int_eq(create_from("/t.yaml", NULL), CSB_EINVAL);
    ck_assert_uint_eq(fake.n_calls, 0);
}
END_TEST

Suite *lima_create_suite(void);

Suite *lima_create_suite(void) {
    Suite *s = suite_create("lima_create");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_clone);
    tcase_add_test(tc, a_base_that_will_not_do);
    tcase_add_test(tc, names_that_are_none);
    tcase_add_test(tc, what_is_there_is_left_alone);
    tcase_add_test(tc, who_was_quicker_keeps_it);
    tcase_add_test(tc, a_failure_leaves_nothing);
    tcase_add_test(tc, a_cancelled_clone_leaves_nothing);
    tcase_add_test(tc, one_that_shares_more_is_not_kept);
    tcase_add_test(tc, a_template);
    tcase_add_test(tc, paths_are_checked_first);
    suite_add_tcase(s, tc);
    return s;
}
