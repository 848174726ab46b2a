/* SPDX-License-Identifier: MIT */
#include "test_lima_fake.h"

#include "engine/lima/lima.h"

#define BOOTING "{\"status\":{\"sshLocalPort\":1}}\n"
#define READY BOOTING "{\"status\":{\"running\":true}}\n"
#define EXITING BOOTING "{\"status\":{\"exiting\":true}}\n"

static struct csb__spec spec;

static void setup(void) {
    fake_setup();
    spec = (struct csb__spec){.name = strdup("vm")};
}

static void teardown(void) {
    csb__spec_finish(&spec);
    fake_teardown();
}

static int start(csb_error **err) {
    return csb__lima_start(&fake.env, &spec, fake.home, err);
}

/* What `limactl start` does in a test: the state of the VM after it, and what it answers. */
static const char *after_status;
static const char *after_events;
static const char *answer_message; /* NULL: it succeeds */
static int answer_code;

static int answer_start(const char *const *args, struct csb__run_result *ret, csb_error **err) {
    if (strcmp(args[0], "start") != 0) {
        return fake_limactl(args, ret, err);
    }
    if (after_status) {
        fake_live("--pidfile", "vm", "ha.pid");
        fake_machine("vm", after_status);
        fake_put("vm", "ha.stdout.log", after_events);
    }
    if (answer_code != 0) {
        return csb__fail(err, answer_code, "%s", answer_message);
    }
    return answer_message ? fake_fatal(ret, answer_message) : 0;
}

static void will(const char *status, const char *events, int code, const char *message) {
    fake.answer = answer_start;
    after_status = status;
    after_events = events;
    answer_code = code;
    answer_message = message;
}

START_TEST(a_stopped_machine_is_started) {
    fake_machine("vm", "Stopped");
    fake_put("vm", "ha.pid", "1\n"); /* stale */
    fake_put("vm", "ssh.sock", "");
    will("Running", READY, 0, NULL);
    ck_assert_int_eq(start(NULL), 0);
    ck_assert_int_eq(fake_called("start|--tty=false|--timeout|1h|vm"), 1);
    ck_assert(!fake_has("vm", "ha.pid"));
    ck_assert(!fake_has("vm", "ssh.sock"));
    ck_assert(fake_lives(0));
}
END_TEST

START_TEST(an_unknown_name_is_never_started) {
    /* limactl would make a VM of that name, with the home directory in it. */
    ck_assert_int_eq(start(NULL), CSB_ENOTFOUND);
    ck_assert_uint_eq(fake.n_calls, 0);
}
END_TEST

START_TEST(a_running_machine_is_left_alone) {
    fake_live("--pidfile", "vm", "ha.pid");
    fake_machine("vm", "Running");
    fake_put("vm", "ha.stdout.log", READY);
    ck_assert_int_eq(start(NULL), 0);
    ck_assert_int_eq(fake_called("start"), 0);
    ck_assert(fake_lives(0));
}
END_TEST

START_TEST(one_that_somebody_starts_is_waited_for) {
    fake_live("--pidfile", "vm", "ha.pid");
    fake_machine("vm", "Running");
    fake_put("vm", "ha.stdout.log", BOOTING);
    csb__env_begin(&fake.env, 600);
    ck_assert_int_eq(start(NULL), CSB_ETIMEOUT);
    ck_assert(fake_lives(0)); /* it is not ours to end */
    csb__env_begin(&fake.env, -1);
    fake_put("vm", "ha.stdout.log", EXITING);
    ck_assert_int_eq(start(NULL), CSB_EENGINE);
    ck_assert_int_eq(fake_called("start"), 0);
}
END_TEST

START_TEST(an_unreadable_configuration) {
    csb_error *err = NULL;

    fake_machine("vm", "");
    ck_assert_int_eq(start(&err), CSB_EENGINE);
    ck_assert_ptr_nonnull(strstr(csb_error_message(err), "some error"));
    ck_assert_str_ne(csb_error_hint(err), "");
    ck_assert_int_eq(fake_called("start"), 0);
    csb_error_free(err);
}
END_TEST

START_TEST(a_half_dead_one_is_ended_first) {
    fake_live("-pidfile", "vm", "qemu.pid");
    fake_machine("vm", "Broken");
    will("Running", READY, 0, NULL);
    ck_assert_int_eq(start(NULL), 0);
    ck_assert(!fake_lives(0));
    ck_assert(fake_lives(1));
}
END_TEST

START_TEST(a_failure_brings_the_console) {
    csb_error *err = NULL;

    fake_machine("vm", "Stopped");
    fake_put("vm", "serial.log", "Kernel panic\n");
    will(NULL, NULL, 0, "qemu is ill");
    ck_assert_int_eq(start(&err), CSB_EENGINE);
    ck_assert_str_eq(csb_error_message(err), "limactl start: qemu is ill");
    ck_assert_int_eq(csb_error_exit_status(err), 1);
    ck_assert_ptr_nonnull(strstr(csb_error_detail(err), "Kernel panic"));
    csb_error_free(err);
}
END_TEST

START_TEST(a_vm_that_ends_while_it_boots) {
    csb_error *err = NULL;

    fake_machine("vm", "Stopped");
    will(NULL, NULL, 0, "exiting, status={Running:false Exiting:true}");
    ck_assert_int_eq(start(&err), CSB_EENGINE);
    ck_assert_str_eq(csb_error_message(err), "the VM vm ended while it was starting");
    csb_error_free(err);
}
END_TEST

START_TEST(what_it_leaves_running_is_ended) {
    csb_error *err = NULL;

    fake_machine("vm", "Stopped");
    will("Running", BOOTING, CSB_ETIMEOUT, "late");
    ck_assert_int_eq(start(&err), CSB_ETIMEOUT);
    ck_assert_str_eq(csb_error_message(err), "limactl start did not end in time");
    ck_assert(!fake_lives(0));
    csb_error_free(err);
    fake_machine("vm", "Stopped");
    will("Running", BOOTING, CSB_ECANCELED, "cancelled");
    ck_assert_int_eq(start(NULL), CSB_ECANCELED);
    ck_assert(!fake_lives(1));
}
END_TEST

START_TEST(the_other_one_of_two_starts_counts_too) {
    fake_machine("vm", "Stopped");
    will("Running", READY, 0, "errors inspecting instance");
    ck_assert_int_eq(start(NULL), 0);
    ck_assert(fake_lives(0));
}
END_TEST

static int cancelled_list(const char *const *args, struct csb__run_result *ret, csb_error **err) {
    int rc = answer_start(args, ret, err);

    /* The next question, whether it came up after all, meets a cancel. */
    if (strcmp(args[0], "start") == 0) {
        csb__env_cancel(&fake.env);
    } else if (csb__env_check(&fake.env, "listing", err) != 0) {
        return CSB_ECANCELED;
    }
    return rc;
}

START_TEST(a_cancel_after_a_failure_is_a_cancel) {
    csb_error *err = NULL;

    fake_machine("vm", "Stopped");
    will("Running", BOOTING, 0, "errors inspecting instance");
    fake.answer = cancelled_list;
    ck_assert_int_eq(start(&err), CSB_ECANCELED);
    ck_assert_str_eq(csb_error_message(err), "cancelled");
    ck_assert(!fake_lives(0));
    csb_error_free(err);
}
END_TEST

START_TEST(mounts_are_checked_before_it_starts) {
    fake_machine("vm", "Stopped");
    fake.config = "{\"mounts\":[{\"location\":\"/home/u\"}],\"mountType\":\"9p\"}\n";
    ck_assert_int_eq(start(NULL), CSB_EPROTOCOL);
    ck_assert_int_eq(fake_called("start"), 0);
}
END_TEST

START_TEST(a_shared_directory_must_be_there) {
    csb_error *err = NULL;

    fake_machine("vm", "Stopped");
    ck_assert_int_eq(csb__spec_add_mount(&spec, "/nonexistent/p", "/p", true, NULL), 0);
    ck_assert_int_eq(start(&err), CSB_ESTATE);
    ck_assert_ptr_nonnull(strstr(csb_error_message(err), "/nonexistent/p"));
    ck_assert_uint_eq(fake.n_calls, 0);
    csb_error_free(err);
}
END_TEST

Suite *lima_start_suite(void);

Suite *lima_start_suite(void) {
    Suite *s = suite_create("lima_start");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_stopped_machine_is_started);
    tcase_add_test(tc, an_unknown_name_is_never_started);
    tcase_add_test(tc, a_running_machine_is_left_alone);
    tcase_add_test(tc, one_that_somebody_starts_is_waited_for);
    tcase_add_test(tc, an_unreadable_configuration);
    tcase_add_test(tc, a_half_dead_one_is_ended_first);
    tcase_add_test(tc, a_failure_brings_the_console);
    tcase_add_test(tc, a_vm_that_ends_while_it_boots);
    tcase_add_test(tc, what_it_leaves_running_is_ended);
    tcase_add_test(tc, the_other_one_of_two_starts_counts_too);
    tcase_add_test(tc, a_cancel_after_a_failure_is_a_cancel);
    tcase_add_test(tc, mounts_are_checked_before_it_starts);
    tcase_add_test(tc, a_shared_directory_must_be_there);
    suite_add_tcase(s, tc);
    return s;
}
