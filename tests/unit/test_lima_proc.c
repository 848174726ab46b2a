/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/posix.h"
#include "engine/lima/lima_proc.h"

#define MATCH(text, dir, agent) csb__lima_args_match(text, sizeof(text), dir, agent)

START_TEST(its_own_processes_match) {
    bool agent = false;

    ck_assert(MATCH("limactl\0hostagent\0--pidfile\0/L/vm/ha.pid\0--socket\0/L/vm/ha.sock\0vm",
                    "/L/vm", &agent));
    ck_assert(agent);
    ck_assert(MATCH("qemu-system-x86_64\0-m\0"
                    "1\0-pidfile\0/L/vm/qemu.pid",
                    "/L/vm", &agent));
    ck_assert(!agent);
}
END_TEST

START_TEST(others_do_not) {
    bool agent;

    ck_assert(!MATCH("qemu\0-pidfile\0/L/vm2/qemu.pid", "/L/vm", &agent));
    ck_assert(!MATCH("qemu\0-pidfile\0/L/vm/x/qemu.pid", "/L/vm", &agent));
    ck_assert(!MATCH("qemu\0-pidfile\0/L/vm/qemu.log", "/L/vm", &agent));
    ck_assert(!MATCH("vim\0/L/vm/ha.pid", "/L/vm", &agent));
    ck_assert(!MATCH("qemu\0-pidfile", "/L/vm", &agent));
    ck_assert(!MATCH("sh\0-c\0qemu -pidfile /L/vm/qemu.pid", "/L/vm", &agent));
    ck_assert(!MATCH("", "/L/vm", &agent));
    ck_assert(!csb__lima_args_match("", 0, "/L/vm", &agent));
    /* Cut off before its NUL. */
    ck_assert(!csb__lima_args_match("q\0-pidfile\0/L/vm/qemu.pid", 25, "/L/vm", &agent));
}
END_TEST

static char home[64];

static void make_home(void) {
    strcpy(home, "/tmp/csb-lima-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(home));
}

static void remove_home(void) {
    ck_assert_int_eq(rmdir(home), 0);
}

/* A process that lives until it is killed, or this test has ended. */
static pid_t live(const char *flag, const char *name, bool stubborn) {
    char pid_file[128];
    int fds[2];
    pid_t pid;

    snprintf(pid_file, sizeof(pid_file), "%s/%s", home, name);
    ck_assert_int_eq(csb__pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        dup2(fds[0], 0);
        signal(SIGTERM, stubborn ? SIG_IGN : SIG_DFL); /* exec keeps that */
        execl("/bin/sh", "sh", "-c", "read x", "sh", flag, pid_file, (char *)NULL);
        _exit(127);
    }
    close(fds[0]);
    return pid;
}

static void wait_for(size_t n) {
    struct csb__lima_proc procs[CSB__LIMA_PROCS_MAX];

    for (int i = 0; i < 1000 && csb__lima_procs(home, "vm", procs) != n; i++) {
        csb__sleep_ms(10);
    }
    ck_assert_uint_eq(csb__lima_procs(home, "vm", procs), n);
}

START_TEST(a_machine_is_found_and_killed) {
    pid_t agent = live("--pidfile", "vm/ha.pid", false);
    pid_t driver = live("-pidfile", "vm/qemu.pid", false);
    pid_t other = live("-pidfile", "other/qemu.pid", false);
    int status;

    wait_for(2);
    ck_assert_int_eq(csb__lima_kill(home, "vm", NULL), 0);
    wait_for(0); /* although nobody has reaped them yet */
    ck_assert_int_eq(waitpid(agent, &status, WNOHANG), agent);
    ck_assert_int_eq(waitpid(driver, &status, WNOHANG), driver);
    ck_assert_int_eq(WTERMSIG(status), SIGTERM);
    ck_assert_int_eq(waitpid(other, &status, WNOHANG), 0);
    kill(other, SIGKILL);
    waitpid(other, &status, 0);
}
END_TEST

START_TEST(a_stubborn_driver_is_killed_too) {
    pid_t driver = live("-pidfile", "vm/qemu.pid", true);
    int status;

    wait_for(1);
    ck_assert_int_eq(csb__lima_kill(home, "vm", NULL), 0);
    ck_assert_int_eq(waitpid(driver, &status, WNOHANG), driver);
    ck_assert_int_eq(WTERMSIG(status), SIGKILL);
}
END_TEST

START_TEST(the_home_may_be_a_link) {
    char link[80];
    char real[64];
    pid_t driver = live("-pidfile", "vm/qemu.pid", false);

    wait_for(1);
    snprintf(link, sizeof(link), "%s-link", home);
    strcpy(real, home);
    ck_assert_int_eq(symlink(real, link), 0);
    ck_assert_int_eq(csb__lima_kill(link, "vm", NULL), 0);
    ck_assert_int_eq(waitpid(driver, NULL, WNOHANG), driver);
    unlink(link);
}
END_TEST

START_TEST(nothing_to_kill_is_fine) {
    ck_assert_int_eq(csb__lima_kill(home, "vm", NULL), 0);
    ck_assert_int_eq(csb__lima_kill("/nonexistent", "vm", NULL), 0);
    ck_assert(!csb__lima_agent_alive(NULL, 0));
}
END_TEST

Suite *lima_proc_suite(void);

Suite *lima_proc_suite(void) {
    Suite *s = suite_create("lima_proc");
    TCase *pure = tcase_create("args");
    TCase *tc = tcase_create("processes");

    tcase_add_test(pure, its_own_processes_match);
    tcase_add_test(pure, others_do_not);
    suite_add_tcase(s, pure);
    tcase_add_checked_fixture(tc, make_home, remove_home);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_machine_is_found_and_killed);
    tcase_add_test(tc, a_stubborn_driver_is_killed_too);
    tcase_add_test(tc, the_home_may_be_a_link);
    tcase_add_test(tc, nothing_to_kill_is_fine);
    suite_add_tcase(s, tc);
    return s;
}
