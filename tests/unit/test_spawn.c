/* SPDX-License-Identifier: MIT */
#include "core/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/posix.h"
#include "core/process.h"
#include "support.h"

struct file {
    const char *path;
    const char *contains;
};

static bool has_text(void *arg) {
    const struct file *f = arg;
    CSB__AUTOFREE char *text = test_read(f->path);

    return text && strstr(text, f->contains);
}

static void check_contains(const char *path, const char *text) {
    struct file f = {path, text};

    ck_assert_msg(test_wait(has_text, &f), "\"%s\" never came to %s", text, path);
}

START_TEST(a_detached_child_is_on_its_own) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *log = test_join(dir, "log");
    CSB__AUTOCLOSE int fd = csb__open(log, O_RDWR | O_CREAT, 0600);
    const char *const argv[] = {"/bin/sh", "-c", "echo out; echo err >&2; cat; exec sleep 1000",
                                NULL};
    struct csb__detached d = {.argv = argv, .log_fd = fd};
    uint64_t start;
    pid_t pid = -1;

    ck_assert_int_eq(csb__spawn_detached(&d, &pid, NULL), 0);
    ck_assert_int_gt(pid, 1);
    ck_assert_int_eq(csb__process_start_time(pid, &start), 0);
    ck_assert_int_ne(getsid(pid), getsid(0));
    /* It has no terminal to lose: not the leader of its session either. */
    ck_assert_int_ne(getsid(pid), pid);
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
    check_contains(log, "out\nerr\n");
    ck_assert_int_eq(csb__process_signal(pid, start, SIGKILL), 0);
    ck_assert(test_wait_gone(pid));
}
END_TEST

START_TEST(a_detached_child_that_does_not_start) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *plain = test_join(dir, "plain");
    CSB__AUTOFREE char *garbage = test_join(dir, "garbage");
    CSB__AUTOFREE char *none = test_join(dir, "none");
    const struct {
        const char *path;
        int errnum;
    } table[] = {{plain, EACCES}, {garbage, ENOEXEC}, {none, ENOENT}, {"no-such-program", ENOENT}};

    test_write(plain, "#!/bin/sh\n", 0644);
    test_write(garbage, "\177garbage", 0755);
    for (int i = 0; i < 4; i++) {
        CSB__AUTOERROR csb_error *e = NULL;
        const char *const argv[] = {table[i].path, NULL};
        struct csb__detached d = {.argv = argv, .log_fd = STDERR_FILENO};
        pid_t pid = -7;

        ck_assert_int_eq(csb__spawn_detached(&d, &pid, &e), CSB_ESYSTEM);
        test_check_error(e, CSB_ESYSTEM, table[i].path);
        ck_assert_msg(csb_error_errno(e) == table[i].errnum, "%s", csb_error_message(e));
        ck_assert_int_eq(pid, -7);
        /* Nothing is left to reap. */
        ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    }
}
END_TEST

START_TEST(a_detached_child_keeps_what_it_is_given) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *kept_path = test_join(dir, "kept");
    CSB__AUTOFREE char *log = test_join(dir, "log");
    CSB__AUTOCLOSE int kept = csb__open(kept_path, O_RDWR | O_CREAT, 0600);
    CSB__AUTOCLOSE int lost = csb__open(kept_path, O_RDWR, 0);
    CSB__AUTOCLOSE int fd = csb__open(log, O_RDWR | O_CREAT, 0600);
    char script[128];
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct csb__detached d = {.argv = argv, .log_fd = fd, .keep_fds = &kept, .n_keep = 1};
    pid_t pid;

    snprintf(script, sizeof(script), "echo hello >>/dev/fd/%d; test -e /dev/fd/%d || echo done",
             kept, lost);
    ck_assert_int_eq(csb__spawn_detached(&d, &pid, NULL), 0);
    check_contains(log, "done");
    check_contains(kept_path, "hello");
    ck_assert(fcntl(kept, F_GETFD) & FD_CLOEXEC);
    ck_assert(test_wait_gone(pid));
}
END_TEST

START_TEST(programs_are_found_on_path) {
    CSB__AUTOFREE char *saved = getenv("PATH") ? strdup(getenv("PATH")) : NULL;
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *sub = test_join(dir, "sub");
    CSB__AUTOFREE char *program = test_join(dir, "csb-test-program");
    CSB__AUTOFREE char *hidden = test_join(sub, "csb-test-program");
    CSB__AUTOFREE char *path = NULL;
    CSB__AUTOFREE char *found = NULL;
    CSB__AUTOFREE char *not_here = NULL;
    CSB__AUTOFREE char *no_path = NULL;
    CSB__AUTOFREE char *cwd = getcwd(NULL, 0);

    ck_assert_int_ge(asprintf(&path, "/no/such/dir::.:%s:%s", sub, dir), 0);
    test_write(program, "", 0755);
    ck_assert_int_eq(mkdir(sub, 0700), 0);
    test_write(hidden, "", 0644); /* not to be run, so looked past */
    setenv("PATH", path, 1);
    found = csb__find_program("csb-test-program");
    /* The current directory is no place to take programs from. */
    ck_assert_int_eq(chdir(dir), 0);
    setenv("PATH", ":.::", 1);
    not_here = csb__find_program("csb-test-program");
    unsetenv("PATH");
    no_path = csb__find_program("sh");
    ck_assert_int_eq(chdir(cwd), 0);
    if (saved) {
        setenv("PATH", saved, 1);
    }
    ck_assert_str_eq(found, program);
    ck_assert_ptr_null(not_here);
    ck_assert_ptr_nonnull(no_path);
}
END_TEST

/* A daemon may have closed its standard streams: then our own pipes get their numbers. */
static int spawn_without_stdio(void *arg) {
    const char *const argv[] = {arg, NULL};
    struct csb__spawn s = {.argv = argv, .stdio = {-1, -1, -1}};
    csb_error *e = NULL;
    int rc;
    pid_t pid;
    int null;

    close(0);
    close(1);
    close(2);
    null = csb__open("/dev/null", O_RDWR, 0);
    s.stdio[0] = s.stdio[1] = s.stdio[2] = null;
    rc = csb__spawn(&s, &pid, &e);
    return rc == CSB_ESYSTEM && csb_error_errno(e) == ENOEXEC ? 0 : 1;
}

START_TEST(closed_streams_hide_no_error) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *garbage = test_join(dir, "garbage");

    test_write(garbage, "\177garbage", 0755);
    ck_assert_int_eq(test_join_child(test_fork(spawn_without_stdio, garbage)), 0);
}
END_TEST

struct pester {
    pthread_t victim;
    atomic_bool stop;
};

static void nothing(int signo) {
    (void)signo;
}

static void *pester_it(void *arg) {
    struct pester *p = arg;

    while (!atomic_load(&p->stop)) {
        pthread_kill(p->victim, SIGUSR1);
        sched_yield();
    }
    return NULL;
}

/* Programs catch signals, and not all with SA_RESTART. */
START_TEST(signals_in_between_do_no_harm) {
    TEST_AUTOENV env;
    struct sigaction action = {.sa_handler = nothing};
    struct sigaction old;
    struct pester p = {.victim = pthread_self()};
    CSB__AUTOCLOSE int null = csb__open("/dev/null", O_RDWR, 0);
    const char *const argv[] = {"/bin/true", NULL};
    struct csb__detached d = {.argv = argv, .log_fd = null};
    pthread_t thread;

    test_env(&env);
    sigaction(SIGUSR1, &action, &old);
    ck_assert_int_eq(pthread_create(&thread, NULL, pester_it, &p), 0);
    for (int i = 0; i < 50; i++) {
        CSB__AUTOERROR csb_error *e = NULL;
        CSB__AUTORESULT r = {0};
        pid_t pid;

        ck_assert_msg(csb__spawn_detached(&d, &pid, &e) == 0, "%s", csb_error_message(e));
        ck_assert_msg(test_sh(&env, "exit 5", &r, &e) == 0, "%s", csb_error_message(e));
        ck_assert_int_eq(r.status, 5);
    }
    atomic_store(&p.stop, true);
    pthread_join(thread, NULL);
    sigaction(SIGUSR1, &old, NULL);
    /* No corpse either. */
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

Suite *spawn_suite(void);
Suite *spawn_suite(void) {
    Suite *s = suite_create("spawn");
    TCase *tc = test_case(s, "spawn");

    tcase_add_test(tc, a_detached_child_is_on_its_own);
    tcase_add_test(tc, a_detached_child_that_does_not_start);
    tcase_add_test(tc, a_detached_child_keeps_what_it_is_given);
    tcase_add_test(tc, programs_are_found_on_path);
    tcase_add_test(tc, closed_streams_hide_no_error);
    tcase_add_test(tc, signals_in_between_do_no_harm);
    return s;
}
