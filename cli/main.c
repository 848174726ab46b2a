/* SPDX-License-Identifier: MIT */
#include "cli.h"

int main(int argc, char **argv) {
    const struct cli_command *command = NULL;
    struct cli_options o;
    csb_ctx *ctx;
    int status = cli_parse(argc, argv, &o, &command);

    if (status >= 0) {
        return status;
    }
    cli_catch_signals();
    ctx = cli_new_context(&o, true, &status);
    if (ctx) {
        status = command->run(ctx, &o);
        cli_free_context(ctx);
    }
    return status;
}
