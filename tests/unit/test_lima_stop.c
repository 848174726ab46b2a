/* SPDX-License-Identifier: MIT */
#include "test_lima_fake.h"

#include "engine/lima/lima.h"

static int stop(unsigned flags, csb_error **err) {
    return csb__lima_stop(&fake.env, "vm", fake.home, flags, err);
}

static int take_away(csb_error **err) {
    return csb__lima_remove(&fake.env, "vm", fake.home, err);
}

static int answer_code;
static const char *answer_message; /* NULL: stop does what it should */

static int answer_stop(const char *const *args, struct csb__run_result *ret, csb_error **err) {
    for (int i = 0; args[i]; i++) {
        /* They kill by number, whoever has it. */
        ck_assert(strcmp(args[i], "-f") != 0 && strcmp(args[i], "--force") != 0);
    }
    if (strcmp(args[0], "stop") != 0) {
        return answer_message ? fake_fatal(ret, answer_message) : fake_limactl(args, ret, err);
    }
    if (answer_code != 0) {
        return csb__fail(err, answer_code, "%s", answer_message);
    }
    if (answer_message) {
        return fake_fatal(ret, answer_message);
    }
    for (size_t i = 0; i < fake.n_live; i++) {
        kill(fake.live[i], SIGTERM);
    }
    return 0;
}

static void will(int code, const char *message) {
    fake.answer = answer_stop;
    answer_code = code;
    answer_message = message;
}

static void running(void) {
    fake_machine("vm", "Running");
    fake_put("vm", "ha.pid", "7\n");
    fake_live("--pidfile", "vm", "ha.pid");
    fake_live("-pidfile", "vm", "qemu.pid");
}

START_TEST(a_running_machine_is_asked) {
    running();
    will(0, NULL);
    ck_assert_int_eq(stop(0, NULL), 0);
    ck_assert_int_eq(fake_called("stop|--tty=false|vm"), 1);
    ck_assert(!fake_lives(0) && !fake_lives(1));
    ck_assert(!fake_has("vm", "ha.pid"));
    ck_assert(fake_has("vm", "lima.yaml"));
}
END_TEST

START_TEST(a_stopped_machine_is_fine) {
    fake_machine("vm", "Stopped");
    fake_put("vm", "ha.pid", "1\n");
    ck_assert_int_eq(stop(0, NULL), 0);
    ck_assert_int_eq(stop(CSB__STOP_FORCE, NULL), 0);
    ck_assert_uint_eq(fake.n_calls, 0);
    ck_assert(!fake_has("vm", "ha.pid"));
    ck_assert_int_eq(csb__lima_stop(&fake.env, "none", fake.home, 0, NULL), 0);
}
END_TEST

START_TEST(by_force_limactl_is_not_asked) {
    running();
    ck_assert_int_eq(stop(CSB__STOP_FORCE, NULL), 0);
    ck_assert_uint_eq(fake.n_calls, 0);
    ck_assert(!fake_lives(0) && !fake_lives(1));
}
END_TEST

START_TEST(where_limactl_can_not_we_ask) {
    /* SIGINT ends the stand-ins, as it makes a host agent shut its guest down. */
    running();
    will(0, "expected status `Running`, got ``");
    ck_assert_int_eq(stop(0, NULL), 0);
    ck_assert(!fake_lives(0) && !fake_lives(1));
}
END_TEST

START_TEST(without_an_agent_the_plug_is_pulled) {
    fake_machine("vm", "Broken");
    fake_live("-pidfile", "vm", "qemu.pid");
    will(0, "expected status `Running`, got `Broken`");
    ck_assert_int_eq(stop(0, NULL), 0);
    ck_assert(!fake_lives(0));
}
END_TEST

START_TEST(a_timeout_leaves_it_and_says_what_helps) {
    csb_error *err = NULL;

    running();
    will(CSB_ETIMEOUT, "late");
    ck_assert_int_eq(stop(0, &err), CSB_ETIMEOUT);
    ck_assert_ptr_nonnull(strstr(csb_error_hint(err), "--force"));
    ck_assert(fake_lives(0) && fake_lives(1));
    csb_error_free(err);
}
END_TEST

START_TEST(a_machine_is_removed) {
    fake_machine("vm", "Stopped");
    will(0, NULL);
    ck_assert_int_eq(take_away(NULL), 0);
    ck_assert_int_eq(fake_called("delete|--tty=false|vm"), 1);
    ck_assert(!fake_has("vm", NULL));
    ck_assert_int_eq(take_away(NULL), 0);
    ck_assert_uint_eq(fake.n_calls, 1);
}
END_TEST

START_TEST(a_running_one_too) {
    running();
    will(0, NULL);
    ck_assert_int_eq(take_away(NULL), 0);
    ck_assert(!fake_lives(0) && !fake_lives(1));
    ck_assert(!fake_has("vm", NULL));
}
END_TEST

START_TEST(a_half_made_one_too) {
    fake_put("vm", "disk", "half");
    will(0, "its `lima.yaml` could not be read; it was NOT deleted");
    ck_assert_int_eq(take_away(NULL), 0);
    ck_assert(!fake_has("vm", NULL));
}
END_TEST

START_TEST(also_a_vm_whose_directory_is_gone) {
    fake_live("-pidfile", "vm", "qemu.pid");
    ck_assert_int_eq(take_away(NULL), 0);
    ck_assert(!fake_lives(0));
}
END_TEST

START_TEST(what_the_user_protects_stays) {
    csb_error *err = NULL;

    running();
    fake_put("vm", "protected", "");
    ck_assert_int_eq(take_away(&err), CSB_ESTATE);
    ck_assert_ptr_nonnull(strstr(csb_error_hint(err), "limactl unprotect vm"));
    ck_assert(fake_lives(0) && fake_lives(1));
    ck_assert(fake_has("vm", "lima.yaml"));
    csb_error_free(err);
}
END_TEST

static int answer_missing(const char *const *args, struct csb__run_result *ret, csb_error **err) {
    (void)args;
    (void)ret;
    return csb__fail_errno(err, ENOENT, "can't run limactl");
}

START_TEST(it_goes_without_limactl) {
    running();
    fake.answer = answer_missing;
    ck_assert_int_eq(take_away(NULL), 0);
    ck_assert(!fake_lives(0) && !fake_lives(1));
    ck_assert(!fake_has("vm", NULL));
}
END_TEST

Suite *lima_stop_suite(void);

Suite *lima_stop_suite(void) {
    Suite *s = suite_create("lima_stop");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, fake_setup, fake_teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_running_machine_is_asked);
    tcase_add_test(tc, a_stopped_machine_is_fine);
    tcase_add_test(tc, by_force_limactl_is_not_asked);
    tcase_add_test(tc, where_limactl_can_not_we_ask);
    tcase_add_test(tc, without_an_agent_the_plug_is_pulled);
    tcase_add_test(tc, a_timeout_leaves_it_and_says_what_helps);
    tcase_add_test(tc, a_machine_is_removed);
    tcase_add_test(tc, a_running_one_too);
    tcase_add_test(tc, a_half_made_one_too);
    tcase_add_test(tc, also_a_vm_whose_directory_is_gone);
    tcase_add_test(tc, what_the_user_protects_stays);
    tcase_add_test(tc, it_goes_without_limactl);
    suite_add_tcase(s, tc);
    return s;
}
