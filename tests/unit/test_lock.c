/* SPDX-License-Identifier: MIT */
#include "core/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "core/posix.h"
#include "support.h"

/* Another process that has the lock until it is told to end, or dies. */
struct holder {
    struct csb__env *env;
    pid_t pid;
    int ready[2];
    int release[2];
    bool kill;
    int told; /* how often somebody said that he waits */
};

static int hold(void *arg) {
    struct holder *h = arg;
    char c;
    int fd;

    close(h->release[1]);
    if (csb__lock(h->env, "thing", "x", &fd, NULL) != 0 || write(h->ready[1], "r", 1) != 1) {
        return 1;
    }
    (void)!read(h->release[0], &c, 1);
    return 0;
}

static void start_holder(struct holder *h, struct csb__env *env) {
    char c;

    h->env = env;
    ck_assert_int_eq(csb__pipe(h->ready), 0);
    ck_assert_int_eq(csb__pipe(h->release), 0);
    h->pid = test_fork(hold, h);
    close(h->ready[1]);
    close(h->release[0]);
    ck_assert_int_eq(read(h->ready[0], &c, 1), 1);
}

static int end_holder(struct holder *h) {
    close(h->release[1]);
    close(h->ready[0]);
    return test_join_child(h->pid);
}

/* Called when the lock is found to be taken: only then is it let go. */
static void let_go(int level, const char *text, void *userdata) {
    struct holder *h = userdata;

    (void)level;
    if (strstr(text, "waiting for another process that is making it")) {
        h->told++;
        if (h->kill) {
            kill(h->pid, SIGKILL);
        } else {
            ck_assert_int_eq(write(h->release[1], "x", 1), 1);
        }
    }
}

START_TEST(the_second_waits) {
    TEST_AUTOENV env;
    struct holder h = {0};
    CSB__AUTOCLOSE int fd = -1;

    test_env(&env);
    start_holder(&h, &env);
    env.log = let_go;
    env.log_userdata = &h;
    csb__env_begin(&env, 20000);
    ck_assert_int_eq(csb__lock(&env, "thing", "making it", &fd, NULL), 0);
    ck_assert_int_eq(h.told, 1);
    ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    ck_assert_int_eq(end_holder(&h), 0);
}
END_TEST

START_TEST(death_lets_go) {
    TEST_AUTOENV env;
    struct holder h = {.kill = true};
    CSB__AUTOCLOSE int fd = -1;

    test_env(&env);
    start_holder(&h, &env);
    env.log = let_go;
    env.log_userdata = &h;
    csb__env_begin(&env, 20000);
    ck_assert_int_eq(csb__lock(&env, "thing", "making it", &fd, NULL), 0);
    ck_assert_int_eq(h.told, 1);
    ck_assert_int_eq(end_holder(&h), 128 + SIGKILL);
}
END_TEST

START_TEST(waiting_has_an_end) {
    TEST_AUTOENV env;
    struct holder h = {0};
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOCLOSE int other = -1;
    int fd = -7;

    test_env(&env);
    start_holder(&h, &env);
    csb__env_begin(&env, 50);
    ck_assert_int_eq(csb__lock(&env, "thing", "making it", &fd, &e), CSB_EBUSY);
    test_check_error(e, CSB_EBUSY, "another process is still making it");
    ck_assert_int_eq(fd, -7);
    /* Another name is another lock. */
    csb__env_begin(&env, 20000);
    ck_assert_int_eq(csb__lock(&env, "thing2", "making it", &other, NULL), 0);
    ck_assert_int_eq(end_holder(&h), 0);
}
END_TEST

static void cancel_it(int level, const char *text, void *userdata) {
    (void)level;
    (void)text;
    csb__env_cancel(userdata);
}

START_TEST(waiting_can_be_cancelled) {
    TEST_AUTOENV env;
    struct holder h = {0};
    CSB__AUTOERROR csb_error *e = NULL;
    int fd;

    test_env(&env);
    start_holder(&h, &env);
    env.log = cancel_it;
    env.log_userdata = &env;
    csb__env_begin(&env, 20000);
    ck_assert_int_eq(csb__lock(&env, "thing", "making it", &fd, &e), CSB_ECANCELED);
    ck_assert_int_eq(csb_error_code(e), CSB_ECANCELED);
    ck_assert_int_eq(end_holder(&h), 0);
}
END_TEST

START_TEST(a_path_is_a_lock_too) {
    TEST_AUTOENV env;
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *path = test_join(dir, "l");
    CSB__AUTOFREE char *link = test_join(dir, "link");
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOCLOSE int fd = -1;
    int second;

    test_env(&env);
    csb__env_begin(&env, 50);
    ck_assert_int_eq(csb__lock(&env, path, "x", &fd, NULL), 0);
    ck_assert(test_exists(path));
    /* Also within one process: two handles of one program are two users. */
    ck_assert_int_eq(csb__lock(&env, path, "x", &second, NULL), CSB_EBUSY);
    ck_assert_int_eq(symlink("elsewhere", link), 0);
    csb__env_begin(&env, 5000);
    ck_assert_int_eq(csb__lock(&env, link, "x", &second, &e), CSB_ESYSTEM);
    ck_assert_int_eq(csb_error_errno(e), ELOOP);
}
END_TEST

START_TEST(a_directory_that_cannot_be_made) {
    TEST_AUTOENV env;
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOFREE char *file = NULL;
    int fd;

    test_env(&env);
    file = test_join(env.state_dir, "file");
    test_write(file, "", 0600);
    free(env.state_dir);
    env.state_dir = CSB__STEAL(file);
    ck_assert_int_eq(csb__lock(&env, "thing", "x", &fd, &e), CSB_ESYSTEM);
    ck_assert_int_eq(csb_error_errno(e), ENOTDIR);
    /* The code is the same for those who don't ask for words. */
    ck_assert_int_eq(csb__lock(&env, "thing", "x", &fd, NULL), CSB_ESYSTEM);
}
END_TEST

Suite *lock_suite(void);
Suite *lock_suite(void) {
    Suite *s = suite_create("lock");
    TCase *tc = test_case(s, "lock");

    tcase_add_test(tc, the_second_waits);
    tcase_add_test(tc, death_lets_go);
    tcase_add_test(tc, waiting_has_an_end);
    tcase_add_test(tc, waiting_can_be_cancelled);
    tcase_add_test(tc, a_path_is_a_lock_too);
    tcase_add_test(tc, a_directory_that_cannot_be_made);
    return s;
}
