/* SPDX-License-Identifier: MIT */
#include "cli.h"

/* One that is protected must be named, and by force. */
static int unprotect(csb_vm *vm, const struct cli_options *o) {
    csb_error *err = NULL;

    if (!csb_vm_is_protected(vm) || !o->force || o->n_names == 0) {
        return 0;
    }
    return csb_vm_protect(vm, 0, &err) == 0 ? 0 : cli_report(err);
}

/* On a terminal a machine is only deleted when its owner says so. */
static int delete (csb_vm *vm, const struct cli_options *o) {
    const char *project = csb_vm_project_dir(vm);
    int status;

    if (cli_would_ask(o)) {
        cli_print_holds(vm, o);
    }
    if (!cli_confirm(o, "Delete %s with everything in it but the project itself (%s)?",
                     csb_vm_name(vm), *project ? project : "none")) {
        return EXIT_INTERRUPTED;
    }
    status = unprotect(vm, o);
    return status ? status : cli_delete(vm, o, CSB_DELETE_FORCE);
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
