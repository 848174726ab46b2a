/* SPDX-License-Identifier: MIT */
/*
 * Carries out one operation again and again, each time with another call that fails, and looks
 * afterwards whether the error was a clean one, whether anything leaked, and whether all is as it was
 * before or as it should be now, and goes on well.
 *
 *     faults [-s] [-d DEPTH] [-n EVERY] OPERATION
 *
 * -s: what failed once goes on failing. -d: how many frames make a way (see inject.h). -n: only every
 * n-th way. The environment is that of tests/faults/run.py.
 */
#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "inject.h"
#include "operations.h"

#ifdef __SANITIZE_ADDRESS__
int __lsan_do_recoverable_leak_check(void);
const char *__lsan_default_suppressions(void);
/* libyaml 0.2.5 forgets the list of a mapping's pairs when its list of nodes can't grow (loader.c,
 * yaml_parser_load_mapping()). What we forget ourselves the sanitized unit tests see. */
const char *__lsan_default_suppressions(void) {
    return "leak:yaml_parser_load\n";
}
#else
static int __lsan_do_recoverable_leak_check(void) {
    return 0;
}
#endif

/* How a child ends. More is a crash, or what a sanitizer says. */
enum { GOOD = 0, FAILED = 10, UNCLEAN = 11, LEAK = 12, OPEN_FILES = 13 };

#define PATIENCE 40

static int count_fds(void) {
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    while (dir && readdir(dir)) {
        n++;
    }
    closedir(dir);
    return n;
}

static bool is_clean(int rc, const csb_error *err) {
    const char *text = csb_error_message(err);

    return rc == 0 ? !err
                   : csb_error_code(err) == rc && *text && !strpbrk(text, "\n\r\033") &&
                         strcmp(csb_error_name(rc), "UNKNOWN") != 0;
}

enum { PLAIN, NOTE, STRIKE };

/* In a child: the operation, and what it leaves behind in this process. */
static int run_once(const struct operation *op, int how, uint64_t way, bool sticky) {
    csb_error *err = NULL;
    int fds = count_fds();
    int rc;

    if (how == NOTE) {
        inject_watch();
    } else if (how == STRIKE) {
        inject_arm(way, sticky);
    }
    rc = op->run(&err);
    inject_end();
    if (rc != 0 && getenv("FAULTS_VERBOSE")) {
        fprintf(stderr, "  %s: %s\n", csb_error_name(rc), csb_error_message(err));
    }
    if (!is_clean(rc, err)) {
        fprintf(stderr, "  not clean: %d, %s: \"%s\"\n", rc, csb_error_name(csb_error_code(err)),
                csb_error_message(err));
        return UNCLEAN;
    }
    csb_error_free(err);
    if (count_fds() != fds) {
        fprintf(stderr, "  %d descriptors more than before\n", count_fds() - fds);
        return OPEN_FILES;
    }
    return __lsan_do_recoverable_leak_check() ? LEAK : rc == 0 ? GOOD : FAILED;
}

static int in_child(const struct operation *op, int how, uint64_t way, bool sticky) {
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        alarm(PATIENCE);
        status = run_once(op, how, way, sticky);
        fflush(stderr);
        _exit(status);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* By a process in which nothing fails. */
static bool goes_well(const struct operation *op) {
    return in_child(op, PLAIN, 0, false) == GOOD;
}

static void snapshot(char out[SNAPSHOT_MAX]) {
    if (!world_snapshot(out)) {
        fprintf(stderr, "faults: the list can't be had: %s\n", out);
    }
}

struct run {
    const struct operation *op;
    struct inject_shared *shared;
    bool sticky;
    char before[SNAPSHOT_MAX];
    char after[SNAPSHOT_MAX];
    int failed;
    int survived;
    int missed;
    int bad;
};

static void complain(struct run *r, const struct inject_site *site, const char *what, int status) {
    fprintf(stderr, "%s: %s fails: %s (%d)\n", r->op->name, site->call, what, status);
    backtrace_symbols_fd(r->shared->frames + 2,
                         r->shared->n_frames > 2 ? r->shared->n_frames - 2 : 0, STDERR_FILENO);
    r->bad++;
}

/* Leaves all as it was before. */
static void strike(struct run *r, const struct inject_site *site) {
    char now[SNAPSHOT_MAX];
    int status;

    r->shared->struck = false;
    r->shared->n_frames = 0;
    status = in_child(r->op, STRIKE, site->way, r->sticky);
    r->failed += status == FAILED;
    r->missed += !r->shared->struck;
    r->survived += r->shared->struck && status == GOOD;
    if (status != GOOD && status != FAILED) {
        complain(r, site, "ends badly", status);
    }
    snapshot(now);
    if (strcmp(now, r->after) != 0 && strcmp(now, r->before) != 0 &&
        !(status == FAILED && r->op->halfway && strcmp(now, r->op->halfway) == 0)) {
        complain(r, site, "leaves half of it", status);
        fprintf(stderr, "  before: %s\n  after: %s\n  now: %s\n", r->before, r->after, now);
    } else if (status == GOOD && strcmp(now, r->after) != 0) {
        complain(r, site, "is not done, and no error says so", status);
    }
    if (strcmp(now, r->after) != 0 && !goes_well(r->op)) {
        complain(r, site, "can't be done again", status);
    }
    if (r->op->undo && !goes_well(r->op->undo)) {
        complain(r, site, "can't be undone", status);
    }
}

static int run_all(struct run *r, int every) {
    static struct inject_site sites[INJECT_SITES_MAX];
    size_t n;

    snapshot(r->before);
    if (in_child(r->op, NOTE, 0, false) != GOOD) {
        fprintf(stderr, "%s does not even work without a fault\n", r->op->name);
        return 1;
    }
    snapshot(r->after);
    if (r->op->undo && !goes_well(r->op->undo)) {
        fprintf(stderr, "%s can't be undone\n", r->op->name);
        return 1;
    }
    n = r->shared->n_sites;
    for (size_t i = 0; i < n && getenv("FAULTS_SITES"); i++) {
        printf("%s%s", r->shared->sites[i].call, i + 1 < n ? " " : "\n");
    }
    memcpy(sites, r->shared->sites, n * sizeof(*sites));
    for (size_t i = 0; i < n && r->bad < 20; i += (size_t)every) {
        strike(r, &sites[i]);
    }
    printf("%s: %zu ways, every %d.: %d errors, %d did not matter, %d not met, %d wrong\n",
           r->op->name, n, every, r->failed, r->survived, r->missed, r->bad);
    return r->bad > 0;
}

int main(int argc, char **argv) {
    struct run r = {0};
    int depth = 3;
    int every = 1;
    int option;

    while ((option = getopt(argc, argv, "sd:n:")) != -1) {
        r.sticky |= option == 's';
        depth = option == 'd' ? atoi(optarg) : depth;
        every = option == 'n' ? atoi(optarg) : every;
    }
    r.op = optind + 1 == argc ? operation_find(argv[optind]) : NULL;
    r.shared = inject_open(depth);
    if (!r.op || !r.shared || every < 1 || option == '?') {
        fprintf(stderr, "usage: faults [-s] [-d DEPTH] [-n EVERY] OPERATION\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    for (const struct operation *const *p = r.op->prepare; p && *p; p++) {
        if (!goes_well(*p)) {
            fprintf(stderr, "%s can't be prepared by %s\n", r.op->name, (*p)->name);
            return 1;
        }
    }
    return run_all(&r, every);
}
