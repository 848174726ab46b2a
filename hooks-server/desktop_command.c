/* SPDX-License-Identifier: MIT */
/* A program that shows one notice and ends. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "desktop.h"

#define ARGS_MAX 24
/* Whoever takes longer hangs. */
#define PATIENCE_MS 10000

static pid_t child; /* 0: none */
static int64_t deadline;

/* In the child. Nothing of ours but the environment is for it. */
static void become(const char **argv) {
    struct sigaction action;
    int null = open("/dev/null", O_RDWR);

    memset(&action, 0, sizeof(action));
    action.sa_handler = SIG_DFL;
    sigaction(SIGPIPE, &action, NULL);
    for (int fd = 0; fd <= 2; fd++) {
        dup2(null, fd);
    }
    execvp(argv[0], (char *const *)argv);
    _exit(127);
}

static bool show(struct daemon *d, const struct notice *notice, uint32_t replaces) {
    struct desktop_texts texts;
    const char *argv[ARGS_MAX];

    (void)d;
    (void)replaces;
    desktop_argv(notice, &texts, argv, ARGS_MAX);
    child = fork();
    if (child == 0) {
        become(argv);
    }
    if (child < 0) {
        child = 0;
        return false;
    }
    deadline = daemon_now_ms() + PATIENCE_MS;
    return true;
}

static bool busy(void) {
    return child > 0;
}

static void judge(struct daemon *d, int status) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        desktop_shown(0);
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        desktop_failed(d, "there is no program for it");
    } else {
        desktop_failed(d, "the program for it failed");
    }
}

/* Called when a child has ended, among other things. */
static int tick(struct daemon *d) {
    int64_t left = deadline - daemon_now_ms();
    int status;

    if (!child) {
        return -1;
    }
    if (waitpid(child, &status, WNOHANG) == child) {
        child = 0;
        judge(d, status);
        return -1;
    }
    if (left <= 0) {
        kill(child, SIGKILL);
        deadline += PATIENCE_MS;
        left = PATIENCE_MS;
    }
    return (int)left;
}

static void close_way(struct daemon *d) {
    (void)d;
    if (child) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        child = 0;
    }
}

const struct desktop_way desktop_command = {
#ifdef __APPLE__
    .name = "osascript",
#else
    .name = "notify-send",
#endif
    .show = show,
    .busy = busy,
    .tick = tick,
    .close = close_way,
};
