/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "programs.h"
#include "tmux.h"

#define ASK_MS 3000
#define LOOK_MS 50

extern char **environ;

/* One that prints its answer and ends needs no session, which would take the answer with it. */
static bool is_headless(const struct cli_options *o) {
    for (const char *const *arg = o->rest; arg && *arg && strcmp(*arg, "--") != 0; arg++) {
        if (strcmp(*arg, "-p") == 0 || strcmp(*arg, "--print") == 0) {
            return true;
        }
    }
    return false;
}

bool cli_tmux_wanted(const struct cli_options *o) {
    const char *set = getenv("CLAUDE_SANDBOX_TMUX");

    return !o->no_tmux && !(set && strcmp(set, "0") == 0) && isatty(STDIN_FILENO) &&
           isatty(STDOUT_FILENO) && !is_headless(o);
}

/* A server that is started now keeps its environment for all that comes later: no secrets in it. */
static char **environment_for_server(void) {
    static const char *const secret[] = {"ANTHROPIC_", "CLAUDE_CODE_"};
    size_t n = 0;
    size_t count = 0;
    char **all;

    while (environ[n]) {
        n++;
    }
    all = calloc(n + 1, sizeof(char *));
    for (size_t i = 0; all && i < n; i++) {
        bool keep = true;

        for (int k = 0; k < 2; k++) {
            keep = keep && strncmp(environ[i], secret[k], strlen(secret[k])) != 0;
        }
        if (keep) {
            all[count++] = environ[i];
        }
    }
    return all;
}

static bool start(const char *const *argv, pid_t *pid) {
    char **env = environment_for_server();
    bool started = env &&
                   posix_spawn(pid, argv[0], NULL, NULL, (char *const *)(void *)argv, env) == 0;

    free(env);
    return started;
}

static int wait_for(pid_t pid) {
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_INTERRUPTED;
}

/* Until the session has fetched what it is to do, or tmux has ended without one. */
static int hand_over(int listen_fd, pid_t pid, const struct cli_options *o) {
    siginfo_t info = {0};

    while (info.si_pid == 0) {
        struct pollfd p = {.fd = listen_fd, .events = POLLIN};

        if (poll(&p, 1, LOOK_MS) == 1) {
            return cli_handover_give(listen_fd, o->argc, o->argv);
        }
        if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
            return -1;
        }
    }
    return -1;
}

/* Runs it to its end. A session that never fetched its orders is none: -1. */
static int run_session(const char *const *argv, int listen_fd, const struct cli_options *o) {
    int status = -1;
    pid_t pid;
    int fd;

    if (!start(argv, &pid)) {
        return -1;
    }
    fd = hand_over(listen_fd, pid, o);
    (void)wait_for(pid);
    if (fd >= 0) {
        /* Still none: the user has detached, and Claude goes on. */
        status = cli_handover_status(fd);
        status = status < 0 ? 0 : status;
        close(fd);
    }
    return status;
}

static int new_session(const char *tmux, const char *name, const struct cli_options *o) {
    char *self = cli_own_path();
    char path[108];
    const char *const argv[] = {tmux, "new-session", "-A", "-s",        name, "-n",
                                name, "--",          self, CLI_IN_TMUX, path, NULL};
    int status = -1;
    int fd = -1;

    if (self && snprintf(path, sizeof(path), "%s/run/tmux-%ld", o->state_dir, (long)getpid()) <
                    (int)sizeof(path)) {
        (void)unlink(path); /* of one that had our number and was killed */
        fd = cli_handover_listen(path);
    }
    if (fd >= 0) {
        status = run_session(argv, fd, o);
        close(fd);
        (void)unlink(path);
    }
    free(self);
    return status;
}

static bool has_session(const char *tmux, const char *target) {
    const char *const argv[] = {tmux, "has-session", "-t", target, NULL};
    char answer[64];

    return cli_ask(argv, ASK_MS, answer, sizeof(answer)) == 0;
}

static int attach(const char *tmux, const char *target) {
    const char *const argv[] = {tmux, "attach-session", "-t", target, NULL};
    pid_t pid;

    return start(argv, &pid) ? wait_for(pid) : -1;
}

int cli_tmux_session(const char *vm, const struct cli_options *o) {
    char *tmux = cli_find_program("tmux");
    char target[80];
    char *name = target + 1;
    int status = -1;

    /* "=" means this very name; a session's name has no dots. */
    snprintf(target, sizeof(target), "=%s", vm);
    for (char *c = name; *c; c++) {
        *c = *c == '.' ? '_' : *c;
    }
    if (tmux && !has_session(tmux, target)) {
        status = new_session(tmux, name, o);
    } else if (tmux && !(o->rest && *o->rest)) {
        status = attach(tmux, target);
    }
    free(tmux);
    return status;
}
