/* SPDX-License-Identifier: MIT */
#include "child.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon.h"

/* In the child. Nothing of ours but the environment is for it. */
static void become(const char *const *argv, int out) {
    struct sigaction action;
    int null = open("/dev/null", O_RDWR);

    memset(&action, 0, sizeof(action));
    action.sa_handler = SIG_DFL;
    sigaction(SIGPIPE, &action, NULL);
    for (int fd = 0; fd <= 2; fd++) {
        dup2(fd == 1 && out >= 0 ? out : null, fd);
    }
    execvp(argv[0], (char *const *)(void *)argv);
    _exit(CHILD_NOT_FOUND);
}

bool child_begin(struct child *c, const char *const *argv, int patience_ms, bool listen) {
    int fds[2] = {-1, -1};

    *c = (struct child){.fd = -1};
    if (listen && daemon_pipe(fds) != 0) {
        return false;
    }
    c->pid = fork();
    if (c->pid == 0) {
        become(argv, fds[1]);
    }
    if (fds[1] >= 0) {
        close(fds[1]);
    }
    c->fd = fds[0];
    c->deadline = daemon_now_ms() + patience_ms;
    if (c->pid < 0) {
        c->pid = 0;
        child_end(c);
        return false;
    }
    return true;
}

int child_look(struct child *c) {
    int status;
    pid_t pid = c->pid ? waitpid(c->pid, &status, WNOHANG) : -1;

    if (pid == c->pid && pid) {
        c->pid = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : CHILD_FAILED;
    }
    if (pid < 0) {
        c->pid = 0;
        return CHILD_FAILED;
    }
    if (c->deadline <= daemon_now_ms()) {
        kill(c->pid, SIGKILL); /* it is looked at again when it has ended of that */
        c->deadline += 1000;
    }
    return CHILD_RUNS;
}

int child_wait_ms(const struct child *c) {
    int64_t left = c->deadline - daemon_now_ms();

    return !c->pid ? -1 : left < 0 ? 0 : (int)left;
}

void child_read(struct child *c, char *out, size_t size) {
    size_t len = 0;
    ssize_t n;

    while (c->fd >= 0 && len < size - 1 && (n = read(c->fd, out + len, size - 1 - len)) > 0) {
        len += (size_t)n;
    }
    out[len] = '\0';
}

void child_end(struct child *c) {
    if (c->pid > 0) {
        kill(c->pid, SIGKILL);
        waitpid(c->pid, NULL, 0);
        c->pid = 0;
    }
    if (c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
}
