/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cli.h"
#include "servers.h"

static int run(csb_ctx *ctx, const struct cli_options *o) {
    const char *const restart[] = {"restart", NULL};
    char line[256];
    int status = cli_ask_server(HOOKS_SERVER, restart, line, sizeof(line));

    (void)ctx;
    if (status == 0 && !o->quiet) {
        printf("%s\n", line);
    }
    return status == 0 ? 0 : EXIT_SANDBOX;
}

const struct cli_command cmd_restart_hooks = {
    .name = "restart-hooks",
    .arguments = "",
    .summary = "stop the hooks server and start it anew",
    .run = run,
};
