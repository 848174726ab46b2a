/* SPDX-License-Identifier: MIT */
/* A question to a guest. What comes back is whatever the guest likes to say. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int cli_pipe_open(int fds[2]) {
    if (pipe(fds) != 0) {
        return -1;
    }
    fcntl(fds[0], F_SETFD, FD_CLOEXEC);
    fcntl(fds[1], F_SETFD, FD_CLOEXEC);
    fcntl(fds[0], F_SETFL, O_NONBLOCK); /* whoever still holds the other end */
    return 0;
}

void cli_pipe_read(int fd, char *out, size_t size) {
    size_t len = 0;

    while (len + 1 < size) {
        ssize_t n = read(fd, out + len, size - 1 - len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
    }
    out[len] = '\0';
}

int cli_guest_ask(csb_vm *vm, const char *const *argv, int ms, char *out, size_t size) {
    csb_exec_options exec = CSB_EXEC_OPTIONS_INIT;
    csb_exit done = {-1};
    int fds[2];
    int rc;

    out[0] = '\0';
    if (cli_pipe_open(fds) != 0) {
        return -1;
    }
    exec.argv = argv;
    exec.cwd = "/";
    exec.stdin_fd = -1;
    exec.stdout_fd = fds[1];
    exec.stderr_fd = -1;
    exec.timeout_ms = ms;
    rc = csb_vm_exec(vm, &exec, &done, NULL);
    close(fds[1]);
    cli_pipe_read(fds[0], out, size);
    close(fds[0]);
    return rc == 0 ? done.status : -1;
}
