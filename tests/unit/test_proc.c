/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "core/posix.h"
#include "core/process.h"
#include "support.h"

static int sleep_for_ever(void *arg) {
    (void)arg;
    while (getppid() > 1) {
        pause();
    }
    return 0;
}

static int end_at_once(void *arg) {
    (void)arg;
    return 0;
}

START_TEST(processes_have_a_beginning) {
    pid_t child = test_fork(sleep_for_ever, NULL);
    uint64_t own;
    uint64_t again;
    uint64_t later;

    ck_assert_int_eq(csb__process_start_time(getpid(), &own), 0);
    ck_assert_int_eq(csb__process_start_time(getpid(), &again), 0);
    ck_assert_uint_eq(own, again);
    ck_assert_int_eq(csb__process_start_time(child, &later), 0);
    ck_assert_uint_ge(later, own);
    kill(child, SIGKILL);
    ck_assert_int_eq(test_join_child(child), 128 + SIGKILL);
}
END_TEST

START_TEST(a_beginning_is_a_time_of_day) {
    time_t before = time(NULL);
    pid_t child = test_fork(sleep_for_ever, NULL);
    time_t after = time(NULL);
    uint64_t start;
    int64_t began;

    ck_assert_int_eq(csb__process_start_time(child, &start), 0);
    began = csb__process_began(start);
    kill(child, SIGKILL);
    test_join_child(child);
    /* The kernel counts in ticks, we in seconds. */
    ck_assert_int_ge(began, before - 1);
    ck_assert_int_le(began, after + 1);
    ck_assert_int_eq(csb__process_began(start), began);
}
END_TEST

START_TEST(a_corpse_is_no_process) {
    pid_t child = test_fork(end_at_once, NULL);
    siginfo_t info;
    uint64_t start;

    ck_assert_int_eq(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    ck_assert_int_eq(kill(child, 0), 0);
    ck_assert_int_eq(csb__process_start_time(child, &start), -1);
    ck_assert_int_eq(csb__process_signal(child, 0, 0), -1);
    ck_assert_int_eq(errno, ESRCH);
    ck_assert_int_eq(test_join_child(child), 0);
    ck_assert_int_eq(csb__process_start_time(child, &start), -1);
}
END_TEST

START_TEST(nonsense_is_no_process) {
    uint64_t start;

    ck_assert_int_eq(csb__process_start_time(0, &start), -1);
    ck_assert_int_eq(csb__process_start_time(-1, &start), -1);
    ck_assert_int_eq(csb__process_start_time(0x7ffffffe, &start), -1);
}
END_TEST

START_TEST(only_the_very_process_is_signalled) {
    pid_t child = test_fork(sleep_for_ever, NULL);
    uint64_t start;

    ck_assert_int_eq(csb__process_start_time(child, &start), 0);
    ck_assert_int_eq(csb__process_signal(child, start + 1, SIGKILL), -1);
    ck_assert_int_eq(errno, ESRCH);
    ck_assert_int_eq(csb__process_signal(child, start - 1, SIGKILL), -1);
    ck_assert_int_eq(errno, ESRCH);
    ck_assert_int_eq(waitpid(child, NULL, WNOHANG), 0);
    ck_assert_int_eq(csb__process_signal(child, start, SIGTERM), 0);
    ck_assert_int_eq(test_join_child(child), 128 + SIGTERM);
}
END_TEST

START_TEST(a_childs_end_can_be_polled) {
    pid_t child = test_fork(sleep_for_ever, NULL);
    CSB__AUTOCLOSE int fd = csb__child_fd(child);
    struct pollfd p = {.fd = fd, .events = POLLIN};

    if (fd >= 0) {
        ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        ck_assert_int_eq(poll(&p, 1, 0), 0);
        kill(child, SIGKILL);
        ck_assert_int_eq(poll(&p, 1, 20000), 1);
    } else {
        kill(child, SIGKILL);
    }
    test_join_child(child);
}
END_TEST

START_TEST(the_boot_has_an_id) {
    char a[64];
    char b[64];
    char little[5];

    csb__boot_id(a, sizeof(a));
    csb__boot_id(b, sizeof(b));
    ck_assert_str_eq(a, b);
    ck_assert_ptr_null(strpbrk(a, "\r\n \"\\"));
    csb__boot_id(little, sizeof(little));
    ck_assert_int_eq(strncmp(little, a, 4), 0);
#ifdef __linux__
    ck_assert_uint_eq(strlen(a), 36);
#endif
}
END_TEST

#ifdef __linux__
/* proc(5): the name stands in parentheses, and may hold anything. */
START_TEST(a_name_that_looks_like_fields) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *program = test_join(dir, "a) Z 1 (b");
    CSB__AUTOFREE char *sleep = csb__find_program("sleep");
    const char *const argv[] = {program, "1000", NULL};
    struct csb__detached d = {.argv = argv, .log_fd = STDERR_FILENO};
    struct timespec now;
    uint64_t own;
    uint64_t start;
    pid_t pid;

    ck_assert_int_eq(symlink(sleep, program), 0);
    ck_assert_int_eq(csb__spawn_detached(&d, &pid, NULL), 0);
    ck_assert_int_eq(csb__process_start_time(pid, &start), 0);
    ck_assert_int_eq(csb__process_signal(pid, start, SIGKILL), 0);
    /* In ticks since the boot: between our own beginning and now. */
    ck_assert_int_eq(csb__process_start_time(getpid(), &own), 0);
    clock_gettime(CLOCK_BOOTTIME, &now);
    ck_assert_uint_ge(start, own);
    ck_assert_uint_le(start, (uint64_t)(now.tv_sec + 1) * (uint64_t)sysconf(_SC_CLK_TCK));
    ck_assert_uint_gt(own, 0);
    ck_assert(test_wait_gone(pid));
}
END_TEST
#endif

Suite *proc_suite(void);
Suite *proc_suite(void) {
    Suite *s = suite_create("proc");
    TCase *tc = test_case(s, "proc");

    tcase_add_test(tc, processes_have_a_beginning);
    tcase_add_test(tc, a_beginning_is_a_time_of_day);
    tcase_add_test(tc, a_corpse_is_no_process);
    tcase_add_test(tc, nonsense_is_no_process);
    tcase_add_test(tc, only_the_very_process_is_signalled);
    tcase_add_test(tc, a_childs_end_can_be_polled);
    tcase_add_test(tc, the_boot_has_an_id);
#ifdef __linux__
    tcase_add_test(tc, a_name_that_looks_like_fields);
#endif
    return s;
}
