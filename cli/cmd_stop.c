/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cli.h"

static int stop(csb_vm *vm, const struct cli_options *o) {
    csb_error *err = NULL;

    if (csb_vm_stop(vm, o->force ? CSB_STOP_FORCE : 0, &err) != 0) {
        return cli_report(err);
    }
    if (!o->quiet) {
        printf("Stopped %s.\n", csb_vm_name(vm));
    }
    return 0;
}

static int run(csb_ctx *ctx, const struct cli_options *o) {
    return cli_for_each(ctx, o, stop);
}

const struct cli_command cmd_stop = {
    .name = "stop",
    .arguments = "[VM...]",
    .summary = "stop the project's VM, or those named",
    .takes_names = true,
    .run = run,
};
