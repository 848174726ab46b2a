/* SPDX-License-Identifier: MIT */
/* Other programs: ours, which lie beside this one, and what a short question to one answers. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "programs.h"

#define NAP_MAX_NS 2000000L

extern char **environ;

static const char *own_name = "";

void cli_programs_init(const char *argv0) {
    own_name = argv0 ? argv0 : "";
}

/* On PATH; an empty part of it is not taken for the current directory. */
static char *search(const char *name) {
    const char *path = getenv("PATH");

    for (const char *p = path ? path : ""; *p; p += strcspn(p, ":"), p += *p == ':') {
        int len = (int)strcspn(p, ":");
        char *full = NULL;

        if (len > 0 && asprintf(&full, "%.*s/%s", len, p, name) >= 0) {
            if (access(full, X_OK) == 0) {
                return full;
            }
            free(full);
        }
    }
    return NULL;
}

char *cli_find_program(const char *name) {
    return search(name);
}

char *cli_own_path(void) {
    char *found = strchr(own_name, '/') ? strdup(own_name) : search(own_name);
    char *real = found ? realpath(found, NULL) : NULL;

    free(found);
    return real;
}

char *cli_find_own(const char *name) {
    char *self = cli_own_path();
    char *slash = self ? strrchr(self, '/') : NULL;
    char *path = NULL;

    if (slash && asprintf(&path, "%.*s/%s", (int)(slash - self), self, name) < 0) {
        path = NULL;
    }
    free(self);
    if (path && access(path, X_OK) == 0) {
        return path;
    }
    free(path);
    return search(name);
}

static int64_t now_ms(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Its output into the pipe; what it says on stderr nowhere, there too, or to our own. */
enum { ERRORS_NOWHERE, ERRORS_THERE, ERRORS_OURS };

/* 0 or an errno. */
static int start(const char *const *argv, int out, int errors, pid_t *pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    sigset_t ignored;
    int rc;

    sigemptyset(&none);
    sigemptyset(&ignored);
    sigaddset(&ignored, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (errors == ERRORS_THERE) {
        posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
    } else if (errors == ERRORS_NOWHERE) {
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    }
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &ignored);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    rc = posix_spawnp(pid, argv[0], &actions, &attr, (char *const *)(void *)argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

/* False when the time was up before its output ended. What does not fit is thrown away. */
static bool read_all(int fd, int64_t until, char *out, size_t size) {
    size_t len = 0;

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = until - now_ms();
        char scrap[512];
        ssize_t n;

        if (left <= 0) {
            return false;
        }
        if (poll(&p, 1, (int)left) <= 0) {
            continue;
        }
        n = len + 1 < size ? read(fd, out + len, size - 1 - len) : read(fd, scrap, sizeof(scrap));
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return n == 0;
        }
        len += n > 0 && len + 1 < size ? (size_t)n : 0;
        out[len] = '\0';
    }
}

/* Its end; by force when the time is up. */
static int wait_end(pid_t pid, int64_t until) {
    struct timespec nap = {0, 50000};
    int status = 0;
    pid_t rc;

    /* Mostly it has just closed its output. */
    while ((rc = waitpid(pid, &status, WNOHANG)) == 0 && now_ms() < until) {
        nanosleep(&nap, NULL);
        nap.tv_nsec = nap.tv_nsec < NAP_MAX_NS ? nap.tv_nsec * 2 : NAP_MAX_NS;
    }
    if (rc == 0) {
        kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        return -1;
    }
    return rc == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int ask(const char *const *argv, int ms, int errors, char *out, size_t size) {
    int64_t until = now_ms() + ms;
    int fds[2];
    pid_t pid;
    int rc;

    out[0] = '\0';
    if (pipe(fds) != 0) {
        return -1;
    }
    fcntl(fds[0], F_SETFD, FD_CLOEXEC);
    fcntl(fds[1], F_SETFD, FD_CLOEXEC);
    rc = start(argv, fds[1], errors, &pid);
    close(fds[1]);
    if (rc == 0) {
        /* One that hands its output on to a child is not waited for longer than itself. */
        bool ended = read_all(fds[0], until, out, size);

        rc = wait_end(pid, ended ? until : 0);
    } else {
        rc = -1;
    }
    close(fds[0]);
    return rc;
}

int cli_ask(const char *const *argv, int ms, char *out, size_t size) {
    return ask(argv, ms, ERRORS_NOWHERE, out, size);
}

int cli_ask_both(const char *const *argv, int ms, char *out, size_t size) {
    return ask(argv, ms, ERRORS_THERE, out, size);
}

int cli_ask_aloud(const char *const *argv, int ms, char *out, size_t size) {
    return ask(argv, ms, ERRORS_OURS, out, size);
}
