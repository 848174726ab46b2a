/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "rebuild.h"

/* What the pipe holds is all that is taken, and no disk of the host's is filled: a guest that says more
 * waits until its time is up. */
static void read_rest(int fd, char *out, size_t size) {
    size_t len = 0;
    ssize_t n = 1;

    while (n != 0 && len + 1 < size) {
        n = read(fd, out + len, size - 1 - len);
        if (n < 0 && errno != EINTR) {
            break;
        }
        len += n > 0 ? (size_t)n : 0;
    }
    out[len] = '\0';
}

static void open_pipe(int fds[2]) {
    if (pipe(fds) != 0) {
        fds[0] = fds[1] = -1;
        return;
    }
    fcntl(fds[0], F_SETFD, FD_CLOEXEC);
    fcntl(fds[1], F_SETFD, FD_CLOEXEC);
    fcntl(fds[0], F_SETFL, O_NONBLOCK); /* whoever still holds the other end */
}

int guest_run(csb_vm *vm, const char *script, const char *argument, int timeout_ms,
              struct guest_words *ret, csb_error **err) {
    const char *const argv[] = {"/bin/sh", "-c", script, "sh", argument, NULL};
    csb_exec_options exec = CSB_EXEC_OPTIONS_INIT;
    csb_exit done = {EXIT_SANDBOX};
    int fds[2];
    int rc;

    open_pipe(fds);
    exec.argv = argv;
    exec.flags = CSB_EXEC_LOGIN;
    exec.stdin_fd = -1;
    exec.stdout_fd = fds[1];
    exec.stderr_fd = fds[1];
    exec.timeout_ms = timeout_ms;
    rc = csb_vm_exec(vm, &exec, &done, err);
    close(fds[1]);
    read_rest(fds[0], ret->text, sizeof(ret->text));
    close(fds[0]);
    ret->status = done.status;
    return rc;
}
