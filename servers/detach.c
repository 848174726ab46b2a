/* SPDX-License-Identifier: MIT */
/* Into the background, and back the word that all is well there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"

#define PATIENCE_MS 30000

extern char **environ;

void daemon__tell_starter(struct daemon *d, char kind, const char *text) {
    char message[1200];
    ssize_t n;

    if (d->starter_fd >= 0) {
        snprintf(message, sizeof(message), "%c%s", kind, text);
        n = write(d->starter_fd, message, strlen(message)); /* less than a pipe takes at once */
        (void)n;
        close(d->starter_fd);
        d->starter_fd = -1;
    }
}

int daemon_pipe(int fds[2]) {
    if (daemon__pipe(fds) != 0) {
        return -1;
    }
    fcntl(fds[1], F_SETFL, fcntl(fds[1], F_GETFL) & ~O_NONBLOCK);
    return 0;
}

/* What whoever started us had open is not to stay open as long as we live. */
static void close_others(int keep) {
    DIR *dir = opendir("/dev/fd");
    struct dirent *entry;
    int fds[1024];
    size_t n = 0;

    while (dir && n < sizeof(fds) / sizeof(fds[0]) && (entry = readdir(dir))) {
        int fd = (int)strtol(entry->d_name, NULL, 10);

        if (fd > 2 && fd != keep && fd != dirfd(dir)) {
            fds[n++] = fd;
        }
    }
    if (dir) {
        closedir(dir);
    }
    while (n > 0) {
        close(fds[--n]);
    }
}

static void leave_terminal(void) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int fd = 0; fd <= 2; fd++) {
        dup2(null, fd);
    }
    close(null);
}

/* Whoever started us may have had Claude's login there, and we live for long. The bytes go, too: what a
 * process began with can be read from outside for as long as it runs. */
static void forget_secrets(void) {
    static const char *const secret[] = {"ANTHROPIC_", "CLAUDE_CODE_"};
    char **keep = environ;

    for (char **entry = environ; *entry; entry++) {
        if (strncmp(*entry, secret[0], strlen(secret[0])) == 0 ||
            strncmp(*entry, secret[1], strlen(secret[1])) == 0) {
            memset(*entry, 0, strlen(*entry));
        } else {
            *keep++ = *entry;
        }
    }
    *keep = NULL;
}

/* Twice, so that it is nobody's child and never gets a terminal again. */
static void serve_in_background(struct daemon *d, int starter_fd) {
    pid_t pid;

    setsid();
    pid = fork();
    if (pid != 0) {
        _exit(pid < 0 ? DAEMON_FAILED : 0);
    }
    close_others(starter_fd);
    leave_terminal();
    forget_secrets();
    d->starter_fd = starter_fd;
    d->in_background = true;
    if (chdir("/") != 0) {
        _exit(DAEMON_FAILED);
    }
    _exit(daemon__serve(d));
}

/* What the server told: its length, 0 when it ended without a word, -1 when it takes too long. */
static ssize_t listen_to_server(int fd, char *buf, size_t size) {
    int64_t deadline = daemon_now_ms() + PATIENCE_MS;
    size_t len = 0;

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = deadline - daemon_now_ms();
        ssize_t n;

        if (left <= 0) {
            return -1;
        }
        if (poll(&p, 1, (int)left) <= 0) {
            continue;
        }
        n = read(fd, buf + len, size - 1 - len);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (n <= 0) {
            buf[len] = '\0';
            return (ssize_t)len;
        }
        len += (size_t)n;
    }
}

static int tell_user(struct daemon *d, ssize_t n, const char *text) {
    if (n > 0 && *text == '+') {
        printf("%s: started, pid %s\n", d->program->name, text + 1);
        return DAEMON_DONE;
    }
    if (n > 0 && *text == '=') {
        printf("%s: runs already, pid %s\n", d->program->name, text + 1);
        return DAEMON_DONE;
    }
    if (n > 0) {
        daemon_fail(d, "%s", text + 1);
    } else if (n == 0) {
        daemon_fail(d, "ended before it was ready");
    } else {
        daemon_fail(d, "is not ready after %d s", PATIENCE_MS / 1000);
    }
    return DAEMON_FAILED;
}

/* Its pid, if it answers: then there is nothing to go into the background for. */
static bool runs_already(struct daemon *d, char *pid, size_t size) {
    FILE *answer = daemon__find_files(d) == 0 ? fmemopen(pid, size, "w") : NULL;
    bool runs = answer && daemon__ask(d, "ping", answer, 500) == DAEMON_DONE;

    if (answer) {
        fclose(answer);
    }
    daemon__forget_files(d); /* the background finds its own: it closes what was opened here */
    *d->reason = '\0';
    return runs;
}

int daemon__start(struct daemon *d) {
    char text[2048];
    ssize_t n = 0;
    int fds[2];
    pid_t pid;

    *text = '=';
    if (runs_already(d, text + 1, sizeof(text) - 1)) {
        return tell_user(d, 1, text);
    }
    if (daemon__pipe(fds) != 0) {
        daemon_fail(d, "can't make a pipe: %s", strerror(errno));
        return DAEMON_FAILED;
    }
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        close(fds[0]);
        serve_in_background(d, fds[1]);
    }
    close(fds[1]);
    if (pid > 0) {
        waitpid(pid, NULL, 0);
        n = listen_to_server(fds[0], text, sizeof(text));
    }
    close(fds[0]);
    return tell_user(d, n, text);
}
