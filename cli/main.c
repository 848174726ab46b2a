/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "cli.h"
#include "programs.h"

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

int main(int argc, char **argv) {
    const struct cli_command *command = NULL;
    struct cli_options o;
    csb_ctx *ctx;
    int status;

    open_streams();
    cli_programs_init(argv[0]);
    status = cli_parse(argc, argv, &o, &command);
    if (status >= 0) {
        return check_output(status);
    }
    cli_catch_signals();
    ctx = cli_new_context(&o, true, &status);
    if (ctx) {
        status = command->run(ctx, &o);
        cli_free_context(ctx);
    }
    return check_output(status);
}
