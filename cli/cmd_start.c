/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "servers.h"
#include "tmux.h"
#include "voice.h"

/* As the predecessor did on macOS; elsewhere the user has to say so. */
static bool shares_login(const struct cli_options *o) {
    const char *set = getenv("CLAUDE_SANDBOX_SHARE_LOGIN");
#ifdef __APPLE__
    bool by_default = true;
#else
    bool by_default = false;
#endif

    return o->share_login || (set && *set ? strcmp(set, "0") != 0 : by_default);
}

static int run_claude(csb_vm *vm, const struct cli_options *o) {
    csb_claude_options claude = CSB_CLAUDE_OPTIONS_INIT;
    csb_error *err = NULL;
    csb_exit done;
    int rc;

    cli_start_hooks();
    claude.args = o->rest;
    /* Headless without a terminal on both sides; claude waits for a stdin that never comes. */
    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
        claude.flags = CSB_EXEC_TTY;
    } else if (isatty(STDIN_FILENO)) {
        claude.stdin_fd = -1;
    }
    if (shares_login(o)) {
        claude.flags |= CSB_CLAUDE_HOST_LOGIN;
    }
    rc = csb_vm_exec_claude(vm, &claude, &done, &err);
    return rc == 0 ? done.status : cli_report(err);
}

static int run(csb_ctx *ctx, const struct cli_options *o) {
    struct tmux_window window = {0};
    const char *tmux = getenv("TMUX");
    csb_vm *vm = NULL;
    int status = cli_ensure_with_voice(ctx, o, &vm);

    if (status >= 0) {
        return status;
    }
    if (cli_tmux_wanted(o)) {
        if (!tmux || !*tmux) {
            status = cli_tmux_session(csb_vm_name(vm), o);
        } else {
            cli_tmux_name_window(csb_vm_name(vm), &window);
        }
    }
    if (status < 0) {
        status = run_claude(vm, o);
    }
    cli_tmux_restore_window(&window);
    csb_vm_free(vm);
    return status;
}

const struct cli_command cmd_start = {
    .name = "start",
    .arguments = "[-- ARGS]",
    .summary = "Claude Code on the project (the default); ARGS are for claude",
    .takes_rest = true,
    .run = run,
};
