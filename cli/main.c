/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "programs.h"
#include "tmux.h"

/* A stream that our parent has closed is as if it led nowhere, and not the next file we open. */
static void open_streams(void) {
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= 2);
    if (fd > 2) {
        close(fd);
    }
}

/* What could not be written was not said. */
static int check_output(int status) {
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return status;
    }
    cli_print_safe("the output could not be written");
    return status ? status : EXIT_SANDBOX;
}

/* In a session of tmux: what the VM is was settled outside, before. */
static void forget_what_is_settled(struct cli_options *o) {
    o->no_tmux = true;
    o->clone_from = NULL;
    o->template = NULL;
    o->cpus = NULL;
    o->mem = NULL;
    o->disk = NULL;
    o->ports = NULL;
}

static int run(int argc, char **argv, bool in_tmux) {
    const struct cli_command *command = NULL;
    struct cli_options o;
    csb_ctx *ctx;
    int status = cli_parse(argc, argv, &o, &command);

    if (status >= 0) {
        return status;
    }
    if (in_tmux) {
        forget_what_is_settled(&o);
    }
    cli_catch_signals();
    ctx = cli_new_context(&o, true, &status);
    if (ctx) {
        o.state_dir = csb_ctx_state_dir(ctx);
        status = command->run(ctx, &o);
        cli_free_context(ctx);
    }
    return status;
}

int main(int argc, char **argv) {
    bool in_tmux = argc == 3 && strcmp(argv[1], CLI_IN_TMUX) == 0;
    int status = 0;

    open_streams();
    cli_programs_init(argv[0]);
    if (in_tmux) {
        status = cli_handover_take(argv[2], &argc, &argv);
    }
    if (status == 0) {
        status = check_output(run(argc, argv, in_tmux));
    }
    cli_handover_end(status);
    return status;
}
