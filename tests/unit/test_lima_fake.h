/* SPDX-License-Identifier: MIT */
/* A limactl without a process: a test puts its own function in the place of the runner, and a home
 * of its own in LIMA_HOME. */
#ifndef CSB_TEST_LIMA_FAKE_H
#define CSB_TEST_LIMA_FAKE_H

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/path.h"
#include "core/posix.h"
#include "core/process.h"
#include "engine/engine.h"
#include "engine/lima/lima_proc.h"

#define FAKE_CALLS_MAX 32

/* Answers one call; `args` begins with the verb. Returns as a runner does. */
typedef int (*fake_fn)(const char *const *args, struct csb__run_result *ret, csb_error **err);

struct fake {
    char root[64]; /* holds the two that follow */
    char home[80];
    char state[80];
    fake_fn answer; /* fake_limactl() unless a test says otherwise */
    struct csb__env env;
    char *calls[FAKE_CALLS_MAX]; /* the words of each, a bar between them */
    size_t n_calls;
    int cwd_ok;         /* calls that ran where they should */
    int home_ok;        /* calls that were told the home, and it once only */
    const char *config; /* what `list` shows as any machine's configuration */
    pid_t live[4];      /* see fake_live() */
    size_t n_live;
};

static struct fake fake;

static inline int fake_limactl(const char *const *args, struct csb__run_result *ret,
                               csb_error **err);

static inline void fake_check_environment(const struct csb__run *run) {
    int homes = 0;

    for (const char *const *e = run->envp; e && *e; e++) {
        if (strncmp(*e, "LIMA_HOME=", 10) == 0) {
            homes += strcmp(*e + 10, fake.home) == 0 ? 1 : 100;
        }
    }
    fake.home_ok += homes == 1;
    fake.cwd_ok += run->cwd && strncmp(run->cwd, fake.state, strlen(fake.state)) == 0;
}

static inline int fake_run(struct csb__env *env, const struct csb__run *run,
                           struct csb__run_result *ret, csb_error **err) {
    CSB__AUTOSTRBUF sb = CSB__STRBUF_INIT;

    (void)env;
    ck_assert_uint_lt(fake.n_calls, FAKE_CALLS_MAX);
    ck_assert_str_eq(run->argv[1], "--log-format");
    ck_assert_str_eq(run->argv[2], "json");
    for (int i = 3; run->argv[i]; i++) {
        csb__strbuf_printf(&sb, "%s%s", i > 3 ? "|" : "", run->argv[i]);
    }
    fake.calls[fake.n_calls++] = csb__strbuf_detach(&sb);
    fake_check_environment(run);
    return fake.answer(run->argv + 3, ret, err);
}

static inline void fake_setup(void) {
    static const struct csb__runner runner = {.run = fake_run};

    memset(&fake, 0, sizeof(fake));
    strcpy(fake.root, "/tmp/csb-lima-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fake.root));
    snprintf(fake.home, sizeof(fake.home), "%s/L", fake.root);
    snprintf(fake.state, sizeof(fake.state), "%s/state", fake.root);
    ck_assert_int_eq(mkdir(fake.home, 0700), 0);
    setenv("LIMA_HOME", fake.home, 1);
    ck_assert_int_eq(csb__env_init(&fake.env, NULL), 0);
    fake.env.state_dir = strdup(fake.state);
    fake.env.runner = &runner;
    fake.answer = fake_limactl;
    fake.config = "{\"mounts\":null,\"mountType\":\"9p\"}\n";
}

static inline void fake_teardown(void) {
    for (size_t i = 0; i < fake.n_live; i++) {
        kill(fake.live[i], SIGKILL);
        waitpid(fake.live[i], NULL, 0);
    }
    for (size_t i = 0; i < fake.n_calls; i++) {
        free(fake.calls[i]);
    }
    csb__env_finish(&fake.env);
    ck_assert_int_eq(csb__remove_tree(fake.root, NULL), 0);
}

static inline int fake_say(struct csb__run_result *ret, const char *out) {
    csb__strbuf_puts(&ret->out, out);
    return 0;
}

static inline int fake_fatal(struct csb__run_result *ret, const char *msg) {
    csb__strbuf_printf(&ret->errout, "{\"level\":\"fatal\",\"msg\":\"%s\"}\n", msg);
    ret->status = 1;
    return 0;
}

/* A path in the home, in one of a few buffers. */
static inline const char *fake_path(const char *name, const char *file) {
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s%s%s", fake.home, name, file ? "/" : "",
             file ? file : "");
    return path;
}

static inline void fake_put(const char *name, const char *file, const char *text) {
    ck_assert(mkdir(fake_path(name, NULL), 0700) == 0 || errno == EEXIST);
    ck_assert_int_eq(csb__write_file(fake_path(name, file), text, strlen(text), 0600, NULL), 0);
}

static inline bool fake_has(const char *name, const char *file) {
    return access(fake_path(name, file), F_OK) == 0;
}

static inline bool fake_found(const char *name, pid_t pid) {
    struct csb__lima_proc procs[CSB__LIMA_PROCS_MAX];
    size_t n = csb__lima_procs(fake.home, name, procs);

    while (n > 0 && procs[n - 1].pid != pid) {
        n--;
    }
    return n > 0;
}

/* A process of that machine's, as far as anyone can see: flag is "--pidfile" or "-pidfile". */
static inline void fake_live(const char *flag, const char *name, const char *pid_file) {
    int fds[2];
    pid_t pid;

    ck_assert_int_eq(csb__pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        dup2(fds[0], 0);
        execl("/bin/sh", "sh", "-c", "read x", "sh", flag, fake_path(name, pid_file), (char *)NULL);
        _exit(127);
    }
    close(fds[0]);
    fake.live[fake.n_live++] = pid;
    for (int i = 0; !fake_found(name, pid); i++) { /* until it is a shell */
        ck_assert_int_lt(i, 1000);
        csb__sleep_ms(10);
    }
}

static inline bool fake_lives(size_t i) {
    uint64_t start;

    return csb__process_start_time(fake.live[i], &start) == 0;
}

/* A machine that limactl lists: "status" stands in a file of that name. */
static inline void fake_machine(const char *name, const char *status) {
    fake_put(name, "lima.yaml", "x");
    fake_put(name, "status", status);
}

static inline void fake_list_one(const char *name, struct csb__run_result *ret) {
    CSB__AUTOSTRBUF status = CSB__STRBUF_INIT;

    csb__read_tail(fake_path(name, "status"), 64, &status);
    csb__strbuf_printf(&ret->out,
                       "{\"name\":\"%s\",\"status\":\"%s\",\"vmType\":\"%s\",\"cpus\":2,"
                       "\"memory\":1073741824,\"disk\":6442450944,\"errors\":[%s]}\n",
                       name, csb__strbuf_text(&status), status.len ? "qemu" : "",
                       strcmp(csb__strbuf_text(&status), "Stopped") ? "\"some error\"" : "");
}

/* What limactl does when nothing goes wrong. */
static inline int fake_limactl(const char *const *args, struct csb__run_result *ret,
                               csb_error **err) {
    const char *last = "";
    bool unmatched = false;

    (void)err;
    for (int i = 1; args[i]; i++) {
        last = args[i];
    }
    if (strcmp(args[0], "list") == 0 && strcmp(args[2], "{{json .Config}}") == 0) {
        return fake_say(ret, fake.config);
    }
    if (strcmp(args[0], "list") == 0) {
        for (int i = 3; args[i]; i++) {
            if (fake_has(args[i], "lima.yaml")) {
                fake_list_one(args[i], ret);
            } else {
                unmatched = true;
            }
        }
        return unmatched ? fake_fatal(ret, "unmatched instances") : 0;
    }
    if (strcmp(args[0], "clone") == 0) {
        fake_machine(last, "Stopped");
        fake_put(last, "ssh.config", "Host lima-base\n");
    } else if (strcmp(args[0], "create") == 0) {
        fake_machine(args[3], "Stopped");
    } else if (strcmp(args[0], "delete") == 0) {
        return csb__remove_tree(fake_path(last, NULL), err);
    }
    return 0;
}

/* How many calls began so. */
static inline int fake_called(const char *start) {
    int n = 0;

    for (size_t i = 0; i < fake.n_calls; i++) {
        n += strncmp(fake.calls[i], start, strlen(start)) == 0;
    }
    return n;
}

#endif
