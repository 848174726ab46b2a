/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/child.h"
#include "core/posix.h"

#define PATIENCE_MS 20000

static char *root;

TCase *test_case(Suite *s, const char *name) {
    TCase *tc = tcase_create(name);

    tcase_set_timeout(tc, 120);
    suite_add_tcase(s, tc);
    return tc;
}

void test_root_make(void) {
    const char *base = getenv("TMPDIR");
    char path[64];

    /* Sockets are put there, so a long TMPDIR is of no use. */
    snprintf(path, sizeof(path), "%s/csb-unit.XXXXXX",
             base && *base == '/' && strlen(base) < 30 ? base : "/tmp");
    root = mkdtemp(path) ? realpath(path, NULL) : NULL;
    if (!root) {
        perror("mkdtemp");
        exit(99);
    }
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where) {
    (void)st;
    (void)type;
    (void)where;
    remove(path);
    return 0;
}

void test_root_remove(void) {
    nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(root);
    root = NULL;
}

char *test_dir(void) {
    char *path = test_join(root, "XXXXXX");

    ck_assert_ptr_nonnull(mkdtemp(path));
    return path;
}

char *test_join(const char *dir, const char *name) {
    char *path = NULL;

    ck_assert_int_ge(asprintf(&path, "%s/%s", dir, name), 0);
    return path;
}

void test_write(const char *path, const char *text, mode_t mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_msg(fd >= 0, "can't write %s", path);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

char *test_read(const char *path) {
    FILE *f = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    FILE *out = f ? open_memstream(&text, &size) : NULL;
    int c;

    if (!out) {
        return NULL;
    }
    while ((c = fgetc(f)) != EOF) {
        fputc(c, out);
    }
    fclose(out);
    fclose(f);
    return text;
}

bool test_exists(const char *path) {
    struct stat st;

    return lstat(path, &st) == 0;
}

int test_count_entries(const char *path) {
    DIR *dir = opendir(path);
    const struct dirent *entry;
    int n = 0;

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir))) {
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    closedir(dir);
    return n;
}

unsigned test_random(unsigned *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

bool test_wait(bool (*is_true)(void *), void *arg) {
    int64_t until = csb__now_ms() + PATIENCE_MS;

    while (!is_true(arg)) {
        if (csb__now_ms() > until) {
            return false;
        }
        csb__sleep_ms(5);
    }
    return true;
}

static bool is_gone(void *arg) {
    uint64_t start;

    return csb__process_start_time(*(pid_t *)arg, &start) != 0;
}

bool test_wait_gone(pid_t pid) {
    return test_wait(is_gone, &pid);
}

pid_t test_fork(int (*fn)(void *), void *arg) {
    sigset_t all;
    sigset_t old;
    pid_t pid;

    /* libcheck's handlers end all of its children: the new process must not be told to with them. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    pid = fork();
    if (pid == 0) {
        signal(SIGTERM, SIG_DFL);
        signal(SIGINT, SIG_DFL);
        sigprocmask(SIG_SETMASK, &old, NULL);
        _exit(fn(arg));
    }
    sigprocmask(SIG_SETMASK, &old, NULL);
    ck_assert_int_ge(pid, 0);
    return pid;
}

int test_join_child(pid_t pid) {
    int64_t until = csb__now_ms() + PATIENCE_MS;
    int status = 0;
    pid_t rc;

    while ((rc = waitpid(pid, &status, WNOHANG)) == 0) {
        if (csb__now_ms() > until) {
            kill(pid, SIGKILL);
            ck_abort_msg("process %ld does not end", (long)pid);
        }
        csb__sleep_ms(2);
    }
    ck_assert_int_eq(rc, pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void test_env(struct csb__env *env) {
    *env = (struct csb__env){0};
    ck_assert_int_eq(csb__env_init(env, NULL), 0);
    env->state_dir = test_dir();
    env->guest_dir = test_join(env->state_dir, "guest");
}

int test_sh(struct csb__env *env, const char *script, struct csb__run_result *ret,
            csb_error **err) {
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct csb__run run = CSB__RUN_INIT;

    run.argv = argv;
    return csb__run(env, &run, ret, err);
}

static void note_call(struct test_runner *r, const struct csb__run *run) {
    struct test_call *call = &r->calls[r->n_calls];

    ck_assert_uint_lt(r->n_calls, TEST_CALLS_MAX);
    r->n_calls++;
    csb__strv_add_all(&call->argv, run->argv);
    csb__strv_add_all(&call->envp, run->envp);
    call->input = run->input ? strndup(run->input, run->input_len) : NULL;
    call->stdin_fd = run->stdin_fd;
    call->stdout_fd = run->stdout_fd;
    call->stderr_fd = run->stderr_fd;
    call->timeout_ms = run->timeout_ms;
    call->flags = run->flags;
}

static int run_fake(struct csb__env *env, const struct csb__run *run, struct csb__run_result *ret,
                    csb_error **err) {
    static const struct test_answer success = {0};
    struct test_runner *r = env->runner_data;
    const struct test_answer *a = r->n_calls < r->n_answers ? &r->answers[r->n_calls] : &success;

    note_call(r, run);
    if (a->hook) {
        a->hook(run, r->data);
    }
    if (a->rc != 0) {
        return csb__fail(err, a->rc, "as the test wants it");
    }
    ret->status = a->signo ? 128 + a->signo : a->status;
    ret->signo = a->signo;
    if (run->stdout_fd == CSB__FD_CAPTURE && a->out) {
        csb__strbuf_puts(&ret->out, a->out);
    }
    if (run->stderr_fd == CSB__FD_CAPTURE && a->errout) {
        csb__strbuf_puts(&ret->errout, a->errout);
    }
    return 0;
}

/* What the other side says when the fake one ends at once, and when it is a keeper. */
static int start_real(struct csb__env *env, const struct csb__run *run, const struct test_answer *a,
                      const char *token, struct csb__child *ret, csb_error **err) {
    char status[8];
    const char *const argv[] = {
        "/bin/sh",
        "-c",
        "printf %s \"$1\"; printf %s \"$2\" >&2; [ \"$3\" = 0 ] || exit $3; exec cat",
        "sh",
        a->status != 0 ? ""
        : a->out       ? a->out
                       : token,
        a->errout ? a->errout : "",
        status,
        NULL};
    struct csb__run fake = *run;
    const struct csb__runner *runner = env->runner;
    int rc;

    snprintf(status, sizeof(status), "%d", a->status);
    fake.argv = argv;
    env->runner = NULL;
    rc = csb__child_start(env, &fake, ret, err);
    env->runner = runner;
    return rc;
}

/* A program has ended as soon as it was started; its keeper lives as long as its stdin does. */
static int start_fake(struct csb__env *env, const struct csb__run *run, struct csb__child *ret,
                      csb_error **err) {
    static const struct test_answer success = {0};
    struct test_runner *r = env->runner_data;
    const struct test_answer *a = r->n_calls < r->n_answers ? &r->answers[r->n_calls] : &success;
    const char *script = NULL;
    char token[17] = "";

    note_call(r, run);
    if (a->hook) {
        a->hook(run, r->data);
    }
    if (a->rc != 0) {
        return csb__fail(err, a->rc, "as the test wants it");
    }
    if (!run->input) {
        ret->wstatus = a->signo ? a->signo : a->status << 8;
        return 0;
    }
    for (size_t i = 0; run->argv[i]; i++) {
        script = run->argv[i];
    }
    script = strstr(script, "/.csb-");
    ck_assert_ptr_nonnull(script);
    snprintf(token, sizeof(token), "%s", script + strlen("/.csb-"));
    return start_real(env, run, a, token, ret, err);
}

void test_runner_use(struct csb__env *env, struct test_runner *r) {
    static const struct csb__runner runner = {.run = run_fake, .start = start_fake};

    env->runner = &runner;
    env->runner_data = r;
}

void test_runner_finish(struct test_runner *r) {
    for (size_t i = 0; i < r->n_calls; i++) {
        csb__strv_free(&r->calls[i].argv);
        csb__strv_free(&r->calls[i].envp);
        free(r->calls[i].input);
    }
    r->n_calls = 0;
}

bool test_has_words(const struct csb__strv *v, ...) {
    for (size_t i = 0; i < v->len; i++) {
        size_t k = i;
        bool all = true;
        const char *word;
        va_list ap;

        va_start(ap, v);
        while (all && (word = va_arg(ap, const char *))) {
            all = k < v->len && strcmp(v->items[k++], word) == 0;
        }
        va_end(ap);
        if (all) {
            return true;
        }
    }
    return false;
}

bool test_has(const struct csb__strv *v, const char *word) {
    return test_has_words(v, word, NULL);
}

void test_check_error(const csb_error *err, int code, const char *contains) {
    ck_assert_ptr_nonnull(err);
    ck_assert_msg(csb_error_code(err) == code, "%s instead of %s: %s",
                  csb_error_name(csb_error_code(err)), csb_error_name(code),
                  csb_error_message(err));
    ck_assert_msg(strstr(csb_error_message(err), contains), "\"%s\" is not in \"%s\"", contains,
                  csb_error_message(err));
}
