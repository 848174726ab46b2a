/* SPDX-License-Identifier: MIT */
#include "cli.h"

static int run(csb_ctx *ctx, const struct cli_options *o) {
    return cli_for_each(ctx, o, cli_stop);
}

const struct cli_command cmd_stop = {
    .name = "stop",
    .arguments = "[VM...]",
    .summary = "stop the project's VM, or those named",
    .takes_names = true,
    .run = run,
};
