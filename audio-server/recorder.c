/* SPDX-License-Identifier: MIT */
/* SoX, or what stands in for it: an argument vector of ours, numbers of the guest's. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>

#include "audio.h"

#define ARGS_MAX 40

extern char **environ;

struct args {
    const char *v[ARGS_MAX];
    size_t n;
};

static void add(struct args *a, const char *const *words) {
    for (; *words && a->n < ARGS_MAX - 1; words++) {
        a->v[a->n++] = *words;
    }
    a->v[a->n] = NULL;
}

#define ADD(a, ...) add(a, (const char *const[]){__VA_ARGS__, NULL})

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text);
    size_t m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static void add_format(struct args *a, const char *rate, const char *channels) {
    ADD(a, "-t", "raw", "-r", rate, "-e", "signed", "-b", "16", "-c", channels);
}

static void build(struct args *a, const struct request *r, const char *rate, const char *channels) {
    const char *program = getenv("CLAUDE_SANDBOX_RECORDER");
    const char *file = getenv("CLAUDE_SANDBOX_AUDIO_FILE");

    ADD(a, program && *program ? program : "sox", "-q", "--buffer", "1024");
    if (!file || !*file) {
        ADD(a, "-d"); /* the microphone that the system has as its first */
    } else {
        if (ends_with(file, ".raw")) {
            add_format(a, rate, channels);
        }
        ADD(a, file);
    }
    add_format(a, rate, channels);
    ADD(a, "-");
    if (r->silence) {
        ADD(a, "silence", "1", "0.1", "3%", "1", "2.0", "3%");
    }
}

/* As a program expects to be started, whatever our own handlers are. */
static int set_attributes(posix_spawnattr_t *attr) {
    const int signals[] = {SIGPIPE, SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    sigset_t set;

    sigemptyset(&set);
    posix_spawnattr_setsigmask(attr, &set);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        sigaddset(&set, signals[i]);
    }
    posix_spawnattr_setsigdefault(attr, &set);
    posix_spawnattr_setpgroup(attr, 0);
    return posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
}

pid_t recorder_spawn(const struct request *r, int out_fd, int err_fd) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    struct args a = {.n = 0};
    char rate[16];
    char channels[16];
    pid_t pid = -1;
    int rc;

    snprintf(rate, sizeof(rate), "%d", r->rate);
    snprintf(channels, sizeof(channels), "%d", r->channels);
    build(&a, r, rate, channels);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
    posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
    posix_spawn_file_actions_adddup2(&actions, err_fd, 2);
    rc = set_attributes(&attr);
    if (rc == 0) {
        rc = posix_spawnp(&pid, a.v[0], &actions, &attr, (char *const *)a.v, environ);
    }
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    errno = rc;
    return rc == 0 ? pid : -1;
}
