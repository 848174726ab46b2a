/* SPDX-License-Identifier: MIT */
/* What the suites share: a place for files, patience with a limit, and doubles for the outside. */
#ifndef TEST_SUPPORT_H
#define TEST_SUPPORT_H

#include <check.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/process.h"
#include "engine/engine.h"

/* A case of the suite whose tests may take long under valgrind. */
TCase *test_case(Suite *s, const char *name);

/* The directory all others lie in; main() makes it, and removes it whatever happens. */
void test_root_make(void);
void test_root_remove(void);

/* A new, empty directory with a real and short path; to be freed. */
char *test_dir(void);
char *test_join(const char *dir, const char *name);
void test_write(const char *path, const char *text, mode_t mode);
/* The text of a file, to be freed; NULL where it can't be read. */
char *test_read(const char *path);
bool test_exists(const char *path);
/* How many entries a directory has, without "." and "..". */
int test_count_entries(const char *dir);

/* Deterministic noise. */
unsigned test_random(unsigned *state);

/* Waits until it is true, for at most 20 s. */
bool test_wait(bool (*is_true)(void *), void *arg);
/* Waits until a process is gone or a corpse. */
bool test_wait_gone(pid_t pid);

/* A process of our own that runs fn and ends with what it returns. */
pid_t test_fork(int (*fn)(void *), void *arg);
/* How it ended, as a shell says it. */
int test_join_child(pid_t pid);

#define TEST_AUTOENV CSB__CLEANUP(csb__env_finish) struct csb__env
/* Readies an env whose state directory is new. */
void test_env(struct csb__env *env);

/* Runs /bin/sh -c on it with the real runner; all of it captured. */
int test_sh(struct csb__env *env, const char *script, struct csb__run_result *ret, csb_error **err);

/* What a fake child says and how it ends. */
struct test_answer {
    int rc; /* not 0: csb__run() itself fails with it */
    int status;
    int signo;
    const char *out;
    const char *errout;
    void (*hook)(const struct csb__run *run, void *data); /* called first; may be NULL */
};

struct test_call {
    struct csb__strv argv;
    struct csb__strv envp;
    char *input; /* NULL: none */
    int stdin_fd;
    int stdout_fd;
    int stderr_fd;
    int timeout_ms;
    unsigned flags;
};

#define TEST_CALLS_MAX 16

/* Stands in for children: notes what was to be run, answers from a list, then with plain success. */
struct test_runner {
    const struct test_answer *answers;
    size_t n_answers;
    void *data;
    struct test_call calls[TEST_CALLS_MAX];
    size_t n_calls;
};

void test_runner_use(struct csb__env *env, struct test_runner *r);
void test_runner_finish(struct test_runner *r);
#define TEST_AUTORUNNER CSB__CLEANUP(test_runner_finish) struct test_runner

/* Whether the words follow each other somewhere in the vector; ends in NULL. */
bool test_has_words(const struct csb__strv *v, ...);
bool test_has(const struct csb__strv *v, const char *word);

/* Fails the test unless the error is of that code and its message contains the text. */
void test_check_error(const csb_error *err, int code, const char *contains);

#endif
