/* SPDX-License-Identifier: MIT */
#include "cli.h"

/* On a terminal a machine is only deleted when its owner says so. */
static int delete (csb_vm *vm, const struct cli_options *o) {
    const char *project = csb_vm_project_dir(vm);

    if (cli_would_ask(o)) {
        cli_print_holds(vm, o);
    }
    if (!cli_confirm(o, "Delete %s with everything in it but the project itself (%s)?",
                     csb_vm_name(vm), *project ? project : "none")) {
        return EXIT_INTERRUPTED;
    }
    return cli_delete(vm, o, CSB_DELETE_FORCE);
}

static int run(csb_ctx *ctx, const struct cli_options *o) {
    return cli_for_each(ctx, o, delete);
}

const struct cli_command cmd_delete = {
    .name = "delete",
    .arguments = "[VM...]",
    .summary = "delete the project's VM, or those named, running or not",
    .takes_names = true,
    .run = run,
};
