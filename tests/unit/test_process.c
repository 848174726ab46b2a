/* SPDX-License-Identifier: MIT */
/* Real children: what is promised of them can't be told from a double. */
#include "core/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "core/posix.h"
#include "support.h"

#define MIB ((size_t)1 << 20)

static void run_fails_with(const char *program, int errnum) {
    TEST_AUTOENV env;
    const char *const argv[] = {program, NULL};
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT r = {0};
    CSB__AUTOERROR csb_error *e = NULL;

    test_env(&env);
    run.argv = argv;
    ck_assert_int_eq(csb__run(&env, &run, &r, &e), CSB_ESYSTEM);
    test_check_error(e, CSB_ESYSTEM, program);
    ck_assert_msg(csb_error_errno(e) == errnum, "%s", csb_error_message(e));
}

START_TEST(exit_status_is_a_result) {
    TEST_AUTOENV env;

    test_env(&env);
    for (int i = 0; i < 256; i += 51) {
        CSB__AUTORESULT r = {0};
        char script[32];

        snprintf(script, sizeof(script), "exit %d", i);
        ck_assert_int_eq(test_sh(&env, script, &r, NULL), 0);
        ck_assert_int_eq(r.status, i);
        ck_assert_int_eq(r.signo, 0);
    }
}
END_TEST

START_TEST(a_signal_is_a_result) {
    static const int signals[] = {SIGKILL, SIGTERM, SIGSEGV, SIGPIPE};
    TEST_AUTOENV env;

    test_env(&env);
    for (size_t i = 0; i < 4; i++) {
        CSB__AUTORESULT r = {0};
        char script[32];

        snprintf(script, sizeof(script), "kill -%d $$", signals[i]);
        ck_assert_int_eq(test_sh(&env, script, &r, NULL), 0);
        ck_assert_int_eq(r.signo, signals[i]);
        ck_assert_int_eq(r.status, 128 + signals[i]);
    }
}
END_TEST

START_TEST(why_it_did_not_start) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *none = test_join(dir, "none");
    CSB__AUTOFREE char *plain = test_join(dir, "plain");
    CSB__AUTOFREE char *garbage = test_join(dir, "garbage");
    CSB__AUTOFREE char *no_interpreter = test_join(dir, "script");

    test_write(plain, "#!/bin/sh\n", 0644);
    test_write(garbage, "\177garbage", 0755);
    test_write(no_interpreter, "#!/no/such/interpreter\n", 0755);
    run_fails_with(none, ENOENT);
    run_fails_with("no-such-program-on-the-path", ENOENT);
    run_fails_with(plain, EACCES);
    run_fails_with(dir, EACCES);
    run_fails_with(garbage, ENOEXEC);
    run_fails_with(no_interpreter, ENOENT);
}
END_TEST

START_TEST(cwd_and_environment) {
    TEST_AUTOENV env;
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *expected = NULL;
    const char *const argv[] = {"/bin/sh", "-c", "pwd; echo \"$A|$HOME\"", NULL};
    const char *const envp[] = {"A=b c", NULL};
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT r = {0};
    CSB__AUTORESULT bad = {0};
    CSB__AUTOERROR csb_error *e = NULL;

    test_env(&env);
    run.argv = argv;
    run.envp = envp;
    run.cwd = dir;
    ck_assert_int_eq(csb__run(&env, &run, &r, NULL), 0);
    ck_assert_int_ge(asprintf(&expected, "%s\nb c|\n", dir), 0);
    ck_assert_str_eq(csb__strbuf_text(&r.out), expected);
    run.cwd = "/no/such/directory";
    ck_assert_int_eq(csb__run(&env, &run, &bad, &e), CSB_ESYSTEM);
    ck_assert_int_eq(csb_error_errno(e), ENOENT);
}
END_TEST

START_TEST(input_of_a_mebibyte) {
    TEST_AUTOENV env;
    CSB__AUTOFREE char *bytes = malloc(MIB);
    const char *const argv[] = {"cat", NULL};
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT r = {0};
    unsigned state = 1;

    test_env(&env);
    for (size_t i = 0; i < MIB; i++) {
        bytes[i] = (char)test_random(&state);
    }
    run.argv = argv;
    run.input = bytes;
    run.input_len = MIB;
    ck_assert_int_eq(csb__run(&env, &run, &r, NULL), 0);
    ck_assert_int_eq(r.status, 0);
    ck_assert_uint_eq(r.out.len, MIB);
    ck_assert_int_eq(memcmp(r.out.data, bytes, MIB), 0);
}
END_TEST

START_TEST(no_input_is_the_end_of_it) {
    TEST_AUTOENV env;
    CSB__AUTORESULT r = {0};

    test_env(&env);
    ck_assert_int_eq(test_sh(&env, "cat; echo end", &r, NULL), 0);
    ck_assert_str_eq(csb__strbuf_text(&r.out), "end\n");
}
END_TEST

/* Writing to a child that stopped reading must not end the program that the library is in. */
static int feed_the_deaf(void *arg) {
    struct csb__env *env = arg;
    CSB__AUTOFREE char *bytes = calloc(1, MIB);
    const char *const argv[] = {"/bin/sh", "-c", "exec 0<&-; exec sleep 1000", NULL};
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT r = {0};

    signal(SIGPIPE, SIG_DFL);
    run.argv = argv;
    run.input = bytes;
    run.input_len = MIB;
    run.timeout_ms = 500;
    return csb__run(env, &run, &r, NULL) == CSB_ETIMEOUT ? 0 : 1;
}

START_TEST(a_child_need_not_read) {
    TEST_AUTOENV env;

    test_env(&env);
    ck_assert_int_eq(test_join_child(test_fork(feed_the_deaf, &env)), 0);
}
END_TEST

START_TEST(too_much_output_is_an_error) {
    TEST_AUTOENV env;
    const char *const argv[] = {"/bin/sh", "-c", "head -c 100000 /dev/zero; sleep 1000", NULL};
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT r = {0};
    CSB__AUTOERROR csb_error *e = NULL;
    int64_t start = csb__now_ms();

    test_env(&env);
    run.argv = argv;
    run.stdout_max = 99999;
    ck_assert_int_eq(csb__run(&env, &run, &r, &e), CSB_EPROTOCOL);
    test_check_error(e, CSB_EPROTOCOL, "more than 99999 bytes");
    ck_assert_int_lt(csb__now_ms() - start, 60000);
}
END_TEST

START_TEST(just_enough_output_is_fine) {
    TEST_AUTOENV env;
    const char *const argv[] = {"/bin/sh", "-c", "head -c 100000 /dev/zero", NULL};
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT r = {0};

    test_env(&env);
    run.argv = argv;
    run.stdout_max = 100000;
    ck_assert_int_eq(csb__run(&env, &run, &r, NULL), 0);
    ck_assert_uint_eq(r.out.len, 100000);
}
END_TEST

START_TEST(of_stderr_the_tail_stays) {
    TEST_AUTOENV env;
    CSB__AUTORESULT r = {0};

    test_env(&env);
    ck_assert_int_eq(
        test_sh(&env, "head -c 100000 /dev/zero | tr '\\0' a >&2; echo last >&2", &r, NULL), 0);
    ck_assert_uint_eq(r.errout.len, 8192);
    ck_assert_str_eq(r.errout.data + 8192 - 6, "alast\n");
    ck_assert_uint_eq(r.out.len, 0);
}
END_TEST

START_TEST(streams_go_where_they_should) {
    TEST_AUTOENV env;
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *path = test_join(dir, "out");
    CSB__AUTOFREE char *text = NULL;
    CSB__AUTOCLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const char *const argv[] = {"/bin/sh", "-c", "echo out; echo err >&2", NULL};
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT r = {0};

    test_env(&env);
    run.argv = argv;
    run.stdout_fd = CSB__FD_NULL;
    run.stderr_fd = fd;
    ck_assert_int_eq(csb__run(&env, &run, &r, NULL), 0);
    text = test_read(path);
    ck_assert_str_eq(text, "err\n");
    ck_assert_uint_eq(r.out.len, 0);
    ck_assert_uint_eq(r.errout.len, 0);
}
END_TEST

struct lines {
    int n;
    char text[8][32];
};

static void take_line(const char *line, void *userdata) {
    struct lines *l = userdata;

    ck_assert_int_lt(l->n, 8);
    snprintf(l->text[l->n++], sizeof(l->text[0]), "%s", line);
}

START_TEST(lines_come_one_by_one) {
    TEST_AUTOENV env;
    const char *const argv[] = {"/bin/sh", "-c", "printf 'a\\n\\nb'; sleep 0.1; printf 'c\\nd\\n'",
                                NULL};
    struct csb__run run = CSB__RUN_INIT;
    struct lines l = {0};
    CSB__AUTORESULT r = {0};

    test_env(&env);
    run.argv = argv;
    run.on_line = take_line;
    run.userdata = &l;
    ck_assert_int_eq(csb__run(&env, &run, &r, NULL), 0);
    ck_assert_int_eq(l.n, 4);
    ck_assert_str_eq(l.text[0], "a");
    ck_assert_str_eq(l.text[1], "");
    ck_assert_str_eq(l.text[2], "bc");
    ck_assert_str_eq(l.text[3], "d");
    ck_assert_str_eq(csb__strbuf_text(&r.out), "a\n\nbc\nd\n");
}
END_TEST

static void count_line(const char *line, void *userdata) {
    (void)line;
    ++*(int *)userdata;
}

START_TEST(of_much_talk_the_end_stays) {
    TEST_AUTOENV env;
    const char *const argv[] = {"/bin/sh", "-c",
                                "i=0; while [ $i -lt 20000 ]; do echo 'line by line'; "
                                "i=$((i + 1)); done; printf 'the end'",
                                NULL};
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT r = {0};
    int n = 0;

    test_env(&env);
    run.argv = argv;
    run.on_line = count_line;
    run.userdata = &n;
    run.flags = CSB__RUN_TAIL;
    ck_assert_int_eq(csb__run(&env, &run, &r, NULL), 0);
    ck_assert_int_eq(n, 20000);
    ck_assert_uint_lt(r.out.len, 9000);
    ck_assert_ptr_nonnull(strstr(csb__strbuf_text(&r.out), "line by line\nthe end"));
}
END_TEST

static int run_limited(const char *script, int ms, struct csb__run_result *r, csb_error **err) {
    TEST_AUTOENV env;
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct csb__run run = CSB__RUN_INIT;

    test_env(&env);
    run.argv = argv;
    run.timeout_ms = ms;
    return csb__run(&env, &run, r, err);
}

START_TEST(late_children_are_asked_first) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *path = test_join(dir, "bye");
    CSB__AUTOFREE char *script = NULL;
    CSB__AUTORESULT r = {0};
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_int_ge(
        asprintf(&script, "trap 'echo >%s; exit 0' TERM; while :; do sleep 0.1; done", path), 0);
    ck_assert_int_eq(run_limited(script, 1000, &r, &e), CSB_ETIMEOUT);
    test_check_error(e, CSB_ETIMEOUT, "/bin/sh did not end within 1 s");
    ck_assert(test_exists(path));
}
END_TEST

START_TEST(the_stubborn_are_killed) {
    CSB__AUTORESULT r = {0};
    pid_t pid;

    ck_assert_int_eq(
        run_limited("trap '' TERM; echo $$; while :; do sleep 0.1; done", 1000, &r, NULL),
        CSB_ETIMEOUT);
    pid = (pid_t)atol(csb__strbuf_text(&r.out));
    ck_assert_int_gt(pid, 1);
    /* Reaped, not merely dead. */
    ck_assert_int_eq(kill(pid, 0), -1);
    ck_assert_int_eq(errno, ESRCH);
}
END_TEST

START_TEST(the_whole_family_goes) {
    CSB__AUTORESULT r = {0};
    pid_t pid;

    /* One that even ignores TERM. */
    ck_assert_int_eq(run_limited("(trap '' TERM; exec sleep 1000) & echo $!; wait", 1000, &r, NULL),
                     CSB_ETIMEOUT);
    pid = (pid_t)atol(csb__strbuf_text(&r.out));
    ck_assert_int_gt(pid, 1);
    ck_assert(test_wait_gone(pid));
}
END_TEST

START_TEST(the_calls_deadline_counts_too) {
    TEST_AUTOENV env;
    CSB__AUTORESULT r = {0};

    test_env(&env);
    csb__env_begin(&env, 100);
    ck_assert_int_eq(test_sh(&env, "exec sleep 1000", &r, NULL), CSB_ETIMEOUT);
}
END_TEST

START_TEST(a_flood_of_stderr_does_not_stop_the_clock) {
    CSB__AUTORESULT r = {0};
    int64_t start = csb__now_ms();

    ck_assert_int_eq(run_limited("exec cat /dev/zero >&2", 300, &r, NULL), CSB_ETIMEOUT);
    ck_assert_int_lt(csb__now_ms() - start, 20000);
    ck_assert_uint_le(r.errout.len, 8192);
}
END_TEST

START_TEST(what_a_child_leaves_does_not_hold_us) {
    TEST_AUTOENV env;
    CSB__AUTORESULT r = {0};
    int64_t start = csb__now_ms();

    test_env(&env);
    /* It has our pipes; its parent is gone. */
    ck_assert_int_eq(test_sh(&env, "sleep 1000 & echo $!", &r, NULL), 0);
    ck_assert_int_lt(csb__now_ms() - start, 60000);
    ck_assert_int_gt(atol(csb__strbuf_text(&r.out)), 1);
    ck_assert_int_eq(kill((pid_t)atol(r.out.data), SIGKILL), 0);
}
END_TEST

struct canceller {
    struct csb__env env;
    int go[2];
};

static void *cancel_when_told(void *arg) {
    struct canceller *c = arg;
    char byte;

    if (read(c->go[0], &byte, 1) == 1) {
        /* The other thread is to be asleep by then; the result is the same if it is not. */
        csb__sleep_ms(50);
        csb__env_cancel(&c->env);
    }
    return NULL;
}

static void tell(const char *line, void *userdata) {
    struct canceller *c = userdata;

    (void)line;
    (void)!write(c->go[1], "x", 1);
}

START_TEST(another_thread_cancels) {
    struct canceller c;
    const char *const argv[] = {"/bin/sh", "-c", "echo ready; exec sleep 1000", NULL};
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT r = {0};
    pthread_t thread;
    int64_t start = csb__now_ms();

    test_env(&c.env);
    ck_assert_int_eq(csb__pipe(c.go), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_when_told, &c), 0);
    run.argv = argv;
    run.on_line = tell;
    run.userdata = &c;
    ck_assert_int_eq(csb__run(&c.env, &run, &r, NULL), CSB_ECANCELED);
    ck_assert_int_lt(csb__now_ms() - start, 30000);
    pthread_join(thread, NULL);
    close(c.go[0]);
    close(c.go[1]);
    csb__env_finish(&c.env);
}
END_TEST

START_TEST(cancelled_before_it_began) {
    TEST_AUTOENV env;
    CSB__AUTOFREE char *path = NULL;
    CSB__AUTOFREE char *script = NULL;
    CSB__AUTORESULT r = {0};

    test_env(&env);
    path = test_join(env.state_dir, "ran");
    ck_assert_int_ge(asprintf(&script, "echo >%s", path), 0);
    csb__env_cancel(&env);
    ck_assert_int_eq(test_sh(&env, script, &r, NULL), CSB_ECANCELED);
    ck_assert(!test_exists(path));
}
END_TEST

START_TEST(a_shielded_child_is_not_cancelled) {
    TEST_AUTOENV env;
    CSB__AUTORESULT r = {0};
    int64_t saved;

    test_env(&env);
    csb__env_cancel(&env);
    saved = csb__env_shield(&env, 60000);
    ck_assert_int_eq(test_sh(&env, "sleep 0.1; exit 3", &r, NULL), 0);
    ck_assert_int_eq(r.status, 3);
    csb__env_unshield(&env, saved);
}
END_TEST

static void cancel_here(const char *line, void *userdata) {
    (void)line;
    csb__env_cancel(userdata);
}

/* Ctrl-C on a terminal ends the child as well as us; which of both is noticed first is chance. */
START_TEST(a_terminals_ctrl_c_is_our_cancel) {
    TEST_AUTOENV env;
    const char *const argv[] = {"/bin/sh", "-c", "echo; kill -INT $$", NULL};
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT cancelled = {0};
    CSB__AUTORESULT r = {0};

    test_env(&env);
    run.argv = argv;
    run.flags = CSB__RUN_FOREGROUND;
    run.userdata = &env;
    ck_assert_int_eq(csb__run(&env, &run, &r, NULL), 0);
    ck_assert_int_eq(r.signo, SIGINT);
    run.on_line = cancel_here;
    ck_assert_int_eq(csb__run(&env, &run, &cancelled, NULL), CSB_ECANCELED);
}
END_TEST

#ifdef __linux__
/* Those of our fds that others (the test's own framework, whoever started us) leave open. */
static bool is_inherited(int fd) {
    int flags = fcntl(fd, F_GETFD);

    return flags >= 0 && !(flags & FD_CLOEXEC);
}

START_TEST(nothing_of_ours_leaks_into_a_child) {
    TEST_AUTOENV env;
    CSB__AUTORESULT r = {0};
    char *save = NULL;
    int n = 0;

    test_env(&env);
    /* The shell stays meanwhile, so that it is its fds that are listed. */
    ck_assert_int_eq(test_sh(&env, "ls /proc/$$/fd; :", &r, NULL), 0);
    for (char *word = strtok_r(r.out.data, "\n", &save); word; word = strtok_r(NULL, "\n", &save)) {
        int fd = atoi(word);

        n++;
        ck_assert_msg(fd <= 2 || is_inherited(fd), "fd %d", fd);
    }
    ck_assert_int_ge(n, 3);
}
END_TEST

START_TEST(signals_are_as_new) {
    TEST_AUTOENV env;
    CSB__AUTORESULT r = {0};
    sigset_t set;
    sigset_t old;

    test_env(&env);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &set, &old), 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    ck_assert_int_eq(test_sh(&env, "grep -E '^Sig(Blk|Ign):' /proc/self/status", &r, NULL), 0);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
    ck_assert_str_eq(csb__strbuf_text(&r.out),
                     "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    /* And ours as they were. */
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &old, &set), 0);
    ck_assert(sigismember(&set, SIGUSR1) && sigismember(&set, SIGTERM));
    ck_assert(!sigismember(&set, SIGINT));
}
END_TEST

START_TEST(foreground_stays_in_our_group) {
    TEST_AUTOENV env;
    const char *const argv[] = {"/bin/sh", "-c",
                                "read -r a b c d group rest </proc/$$/stat; echo $$ $group", NULL};
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT own = {0};
    CSB__AUTORESULT foreground = {0};
    long pid;
    long group;

    test_env(&env);
    run.argv = argv;
    ck_assert_int_eq(csb__run(&env, &run, &own, NULL), 0);
    ck_assert_int_eq(sscanf(csb__strbuf_text(&own.out), "%ld %ld", &pid, &group), 2);
    ck_assert_int_eq(pid, group);
    run.flags = CSB__RUN_FOREGROUND;
    ck_assert_int_eq(csb__run(&env, &run, &foreground, NULL), 0);
    ck_assert_int_eq(sscanf(csb__strbuf_text(&foreground.out), "%ld %ld", &pid, &group), 2);
    ck_assert_int_eq(group, getpgrp());
}
END_TEST

static int count_fds(void) {
    return test_count_entries("/proc/self/fd");
}

START_TEST(no_fd_is_left_open) {
    TEST_AUTOENV env;
    const char *const argv[] = {"/no/such/program", NULL};
    struct csb__run run = CSB__RUN_INIT;
    int before;

    test_env(&env);
    run.argv = argv;
    before = count_fds();
    for (int i = 0; i < 5; i++) {
        CSB__AUTORESULT r = {0};
        CSB__AUTORESULT none = {0};

        ck_assert_int_eq(test_sh(&env, "echo x", &r, NULL), 0);
        ck_assert_int_eq(csb__run(&env, &run, &none, NULL), CSB_ESYSTEM);
    }
    ck_assert_int_eq(count_fds(), before);
}
END_TEST
#endif

START_TEST(a_runner_of_our_own) {
    static const struct test_answer answers[] = {
        {.status = 3, .out = "o", .errout = "e"},
        {.rc = CSB_ETIMEOUT},
    };
    TEST_AUTOENV env;
    TEST_AUTORUNNER runner = {.answers = answers, .n_answers = 2};
    CSB__AUTORESULT r = {0};
    CSB__AUTORESULT none = {0};

    test_env(&env);
    test_runner_use(&env, &runner);
    ck_assert_int_eq(test_sh(&env, "x", &r, NULL), 0);
    ck_assert_int_eq(r.status, 3);
    ck_assert_str_eq(csb__strbuf_text(&r.out), "o");
    ck_assert_str_eq(csb__strbuf_text(&r.errout), "e");
    ck_assert_int_eq(test_sh(&env, "y", &none, NULL), CSB_ETIMEOUT);
    ck_assert_uint_eq(runner.n_calls, 2);
    ck_assert_str_eq(runner.calls[1].argv.items[2], "y");
    /* A cancelled call does not even reach it. */
    csb__env_cancel(&env);
    ck_assert_int_eq(test_sh(&env, "z", &none, NULL), CSB_ECANCELED);
    ck_assert_uint_eq(runner.n_calls, 2);
}
END_TEST

static void add_endings(TCase *tc) {
    tcase_add_test(tc, late_children_are_asked_first);
    tcase_add_test(tc, the_stubborn_are_killed);
    tcase_add_test(tc, the_whole_family_goes);
    tcase_add_test(tc, the_calls_deadline_counts_too);
    tcase_add_test(tc, a_flood_of_stderr_does_not_stop_the_clock);
    tcase_add_test(tc, what_a_child_leaves_does_not_hold_us);
    tcase_add_test(tc, another_thread_cancels);
    tcase_add_test(tc, cancelled_before_it_began);
    tcase_add_test(tc, a_shielded_child_is_not_cancelled);
    tcase_add_test(tc, a_terminals_ctrl_c_is_our_cancel);
}

Suite *process_suite(void);
Suite *process_suite(void) {
    Suite *s = suite_create("process");
    TCase *tc = test_case(s, "running");

    tcase_add_test(tc, exit_status_is_a_result);
    tcase_add_test(tc, a_signal_is_a_result);
    tcase_add_test(tc, why_it_did_not_start);
    tcase_add_test(tc, cwd_and_environment);
    tcase_add_test(tc, input_of_a_mebibyte);
    tcase_add_test(tc, no_input_is_the_end_of_it);
    tcase_add_test(tc, a_child_need_not_read);
    tcase_add_test(tc, too_much_output_is_an_error);
    tcase_add_test(tc, just_enough_output_is_fine);
    tcase_add_test(tc, of_stderr_the_tail_stays);
    tcase_add_test(tc, streams_go_where_they_should);
    tcase_add_test(tc, lines_come_one_by_one);
    tcase_add_test(tc, of_much_talk_the_end_stays);
    tcase_add_test(tc, a_runner_of_our_own);
    add_endings(test_case(s, "ending"));
#ifdef __linux__
    tc = test_case(s, "state");
    tcase_add_test(tc, nothing_of_ours_leaks_into_a_child);
    tcase_add_test(tc, signals_are_as_new);
    tcase_add_test(tc, foreground_stays_in_our_group);
    tcase_add_test(tc, no_fd_is_left_open);
#endif
    return s;
}
