/* SPDX-License-Identifier: MIT */
#include <unistd.h>

#include "rebuild.h"

int guest_run(csb_vm *vm, const char *script, const char *argument, int timeout_ms,
              struct guest_words *ret, csb_error **err) {
    const char *const argv[] = {"/bin/sh", "-c", script, "sh", argument, NULL};
    csb_exec_options exec = CSB_EXEC_OPTIONS_INIT;
    csb_exit done = {EXIT_SANDBOX};
    int fds[2] = {-1, -1};
    int rc;

    (void)cli_pipe_open(fds); /* without one what it says is lost, and its status is not */
    exec.argv = argv;
    exec.flags = CSB_EXEC_LOGIN;
    exec.stdin_fd = -1;
    exec.stdout_fd = fds[1];
    exec.stderr_fd = fds[1];
    exec.timeout_ms = timeout_ms;
    rc = csb_vm_exec(vm, &exec, &done, err);
    close(fds[1]);
    cli_pipe_read(fds[0], ret->text, sizeof(ret->text));
    close(fds[0]);
    ret->status = done.status;
    return rc;
}
