/* SPDX-License-Identifier: MIT */
#include "engine/qemu/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <claudesandbox/vm.h>

#include "core/path.h"
#include "core/posix.h"
#include "core/process.h"
#include "engine/engine.h"
#include "engine/qemu/machine.h"
#include "fake_server.h"
#include "support.h"

static void make(struct csb__env *env, struct csb__instance *i) {
    char boot[64];

    *i = (struct csb__instance){0};
    ck_assert_int_eq(csb__instance_init(env, "web", i, NULL), 0);
    ck_assert_int_eq(csb__mkdirs(i->dir, NULL), 0);
    csb__boot_id(boot, sizeof(boot));
    i->boot = strdup(boot);
}

/* A process that carries the pid file's path in its arguments, as QEMU does. */
static pid_t start(const struct csb__instance *i, const char *script) {
    CSB__AUTOFREE char *pid_path = csb__instance_path(i, "pid");
    CSB__AUTOCLOSE int null = csb__open("/dev/null", O_RDWR, 0);
    const char *const argv[] = {"/bin/sh", "-c", script, "-pidfile", pid_path, NULL};
    struct csb__detached d = {.argv = argv, .log_fd = null};
    pid_t pid;

    ck_assert_int_eq(csb__spawn_detached(&d, &pid, NULL), 0);
    return pid;
}

static void know(struct csb__instance *i, pid_t pid) {
    i->pid = pid;
    ck_assert_int_eq(csb__process_start_time(pid, &i->start_time), 0);
}

#define LOOP "while :; do sleep 1; done"

START_TEST(alive_means_this_very_process) {
    TEST_AUTOENV env;
    CSB__AUTOINSTANCE i;
    pid_t pid;

    test_env(&env);
    make(&env, &i);
    ck_assert(!csb__qemu_alive(&i));
    pid = start(&i, LOOP);
    know(&i, pid);
    ck_assert(csb__qemu_alive(&i));
    i.start_time++;
    ck_assert(!csb__qemu_alive(&i));
    i.start_time--;
    i.boot[0] ^= 1;
    ck_assert(!csb__qemu_alive(&i));
    i.boot[0] ^= 1;
    ck_assert_int_eq(csb__qemu_wait_end(&env, &i, 30, NULL), CSB_ETIMEOUT);
    ck_assert_int_eq(csb__qemu_kill(&env, &i, NULL), 0);
    ck_assert(!csb__qemu_alive(&i));
    ck_assert_int_eq(csb__qemu_wait_end(&env, &i, 30, NULL), 0);
    /* What is gone is fine. */
    ck_assert_int_eq(csb__qemu_kill(&env, &i, NULL), 0);
}
END_TEST

START_TEST(the_wrong_process_is_not_killed) {
    TEST_AUTOENV env;
    CSB__AUTOINSTANCE i;
    uint64_t start_time;
    pid_t pid;

    test_env(&env);
    make(&env, &i);
    pid = start(&i, LOOP);
    know(&i, pid);
    start_time = i.start_time++;
    ck_assert_int_eq(csb__qemu_kill(&env, &i, NULL), 0);
    ck_assert_int_eq(csb__process_signal(pid, start_time, 0), 0);
    ck_assert_int_eq(csb__process_signal(pid, start_time, SIGKILL), 0);
    ck_assert(test_wait_gone(pid));
}
END_TEST

static void write_pid(const struct csb__instance *i, long pid) {
    CSB__AUTOFREE char *path = csb__instance_path(i, "pid");
    char text[32];

    snprintf(text, sizeof(text), "%ld\n", pid);
    test_write(path, text, 0600);
}

START_TEST(a_lost_process_is_found_again) {
    TEST_AUTOENV env;
    CSB__AUTOINSTANCE i;
    CSB__AUTOINSTANCE loaded = {0};
    time_t before = time(NULL);
    struct csb__machine m = {0};
    pid_t pid;

    test_env(&env);
    make(&env, &i);
    i.cpus = 1;
    i.memory = i.disk = 1;
    i.image = strdup("/i");
    ck_assert_int_eq(csb__instance_save_config(&i, NULL), 0);
    pid = start(&i, LOOP);
    write_pid(&i, pid);
    csb__qemu_adopt(&env, &i);
    ck_assert_int_eq(i.pid, pid);
    ck_assert(csb__qemu_alive(&i));
    /* And written down. */
    ck_assert_int_eq(csb__instance_load(&env, "web", &loaded, NULL), 0);
    ck_assert(csb__qemu_alive(&loaded));
    ck_assert_int_eq(csb__engine_qemu.inspect(&env, "web", "", &m, NULL), 0);
    ck_assert_int_eq(m.state, CSB_VM_STARTING);
    ck_assert_int_ge(m.started, before - 1);
    ck_assert_uint_gt(m.disk_used, 0);
    csb__machine_finish(&m);
    ck_assert_int_eq(csb__qemu_kill(&env, &i, NULL), 0);
}
END_TEST

START_TEST(another_process_is_not_taken_for_it) {
    TEST_AUTOENV env;
    CSB__AUTOINSTANCE i;
    CSB__AUTOINSTANCE other = {0};
    pid_t pid;

    test_env(&env);
    make(&env, &i);
    write_pid(&i, getpid());
    csb__qemu_adopt(&env, &i);
    ck_assert_int_eq(i.pid, 0);
    write_pid(&i, -1);
    csb__qemu_adopt(&env, &i);
    ck_assert_int_eq(i.pid, 0);
    /* Not even that of a machine whose name begins alike. */
    ck_assert_int_eq(csb__instance_init(&env, "web-2", &other, NULL), 0);
    pid = start(&other, LOOP);
    write_pid(&i, pid);
    csb__qemu_adopt(&env, &i);
    ck_assert_int_eq(i.pid, 0);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert(test_wait_gone(pid));
}
END_TEST

START_TEST(the_stubborn_are_killed) {
    TEST_AUTOENV env;
    CSB__AUTOINSTANCE i;
    CSB__AUTOFREE char *ready = NULL;
    CSB__AUTOFREE char *script = NULL;
    int64_t deadline = csb__now_ms() + 20000;

    test_env(&env);
    make(&env, &i);
    ready = csb__instance_path(&i, "ready");
    ck_assert_int_ge(asprintf(&script, "trap '' TERM; echo >'%s'; " LOOP, ready), 0);
    know(&i, start(&i, script));
    while (!test_exists(ready)) {
        ck_assert_int_lt(csb__now_ms(), deadline);
        csb__sleep_ms(5);
    }
    ck_assert_int_eq(csb__qemu_kill(&env, &i, NULL), 0);
    ck_assert(!csb__qemu_alive(&i));
}
END_TEST

START_TEST(a_cancel_is_not_swallowed) {
    TEST_AUTOENV env;
    CSB__AUTOINSTANCE i;
    CSB__AUTOERROR csb_error *e = NULL;

    test_env(&env);
    make(&env, &i);
    know(&i, start(&i, LOOP));
    csb__env_cancel(&env);
    ck_assert_int_eq(csb__qemu_wait_end(&env, &i, 60000, &e), CSB_ECANCELED);
    ck_assert_ptr_nonnull(e);
    ck_assert(csb__qemu_alive(&i));
    ck_assert_int_eq(csb__qemu_kill(&env, &i, NULL), 0);
}
END_TEST

/* No guest answers here: who had to wait for that and gives up has not asked for more. */
START_TEST(a_cancelled_stop_does_not_pull_the_plug) {
    static const struct fake_line script[] = {{"1 poweroff", "1 ok\n"}};
    TEST_AUTOENV env;
    CSB__AUTOINSTANCE i;
    CSB__AUTOFREE char *path = NULL;
    pid_t server;

    test_env(&env);
    make(&env, &i);
    ck_assert_int_eq(csb__mkdirs(i.run_dir, NULL), 0);
    path = csb__instance_socket(&i, "control");
    know(&i, start(&i, LOOP));
    csb__env_cancel(&env);
    server = fake_server_start(path, script, 1);
    ck_assert_int_eq(csb__machine_stop(&env, &i, false, NULL), CSB_ECANCELED);
    ck_assert(csb__qemu_alive(&i));
    ck_assert_int_eq(csb__machine_stop(&env, &i, true, NULL), 0);
    ck_assert(!csb__qemu_alive(&i));
    test_join_child(server);
}
END_TEST

Suite *qemu_process_suite(void);
Suite *qemu_process_suite(void) {
    Suite *s = suite_create("qemu_process");
    TCase *tc = test_case(s, "qemu_process");

    tcase_add_test(tc, alive_means_this_very_process);
    tcase_add_test(tc, the_wrong_process_is_not_killed);
    tcase_add_test(tc, a_lost_process_is_found_again);
    tcase_add_test(tc, another_process_is_not_taken_for_it);
    tcase_add_test(tc, the_stubborn_are_killed);
    tcase_add_test(tc, a_cancel_is_not_swallowed);
    tcase_add_test(tc, a_cancelled_stop_does_not_pull_the_plug);
    return s;
}
