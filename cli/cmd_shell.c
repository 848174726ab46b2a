/* SPDX-License-Identifier: MIT */
#include <unistd.h>

#include "cli.h"
#include "voice.h"

static int run(csb_ctx *ctx, const struct cli_options *o) {
    csb_exec_options exec = CSB_EXEC_OPTIONS_INIT;
    csb_error *err = NULL;
    csb_exit done;
    csb_vm *vm = NULL;
    int status = cli_ensure_with_voice(ctx, o, &vm);
    int rc;

    if (status >= 0) {
        return status;
    }
    exec.argv = o->rest;
    exec.flags = CSB_EXEC_LOGIN;
    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
        exec.flags |= CSB_EXEC_TTY;
    }
    rc = csb_vm_exec(vm, &exec, &done, &err);
    csb_vm_free(vm);
    return rc == 0 ? done.status : cli_report(err);
}

const struct cli_command cmd_shell = {
    .name = "shell",
    .arguments = "[-- CMD...]",
    .summary = "a shell in the project's VM, or one command",
    .takes_rest = true,
    .run = run,
};
