/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rebuild.h"

/* A file that nobody else can open, and that no child gets but as its output. */
static FILE *open_scratch(void) {
    FILE *file = tmpfile();

    if (file) {
        fcntl(fileno(file), F_SETFD, FD_CLOEXEC);
    }
    return file;
}

int guest_run(csb_vm *vm, const char *script, const char *argument, int timeout_ms,
              struct guest_words *ret, csb_error **err) {
    const char *const argv[] = {"/bin/sh", "-c", script, "sh", argument, NULL};
    csb_exec_options exec = CSB_EXEC_OPTIONS_INIT;
    FILE *file = open_scratch();
    csb_exit done = {EXIT_SANDBOX};
    size_t n = 0;
    int rc;

    exec.argv = argv;
    exec.flags = CSB_EXEC_LOGIN;
    exec.stdin_fd = -1;
    exec.stdout_fd = file ? fileno(file) : -1;
    exec.stderr_fd = exec.stdout_fd;
    exec.timeout_ms = timeout_ms;
    rc = csb_vm_exec(vm, &exec, &done, err);
    if (file) {
        rewind(file);
        n = fread(ret->text, 1, sizeof(ret->text) - 1, file);
        fclose(file);
    }
    ret->text[n] = '\0';
    ret->status = done.status;
    return rc;
}
