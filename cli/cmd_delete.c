/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <unistd.h>

#include "cli.h"

/* On a terminal a machine is only deleted when its owner says so. */
static bool confirmed(const csb_vm *vm, const struct cli_options *o) {
    char answer[8];

    if (o->force || o->yes || !isatty(STDIN_FILENO)) {
        return true;
    }
    fprintf(stderr, "Delete %s with everything in it but the project itself (%s)? [y/N] ",
            csb_vm_name(vm), *csb_vm_project_dir(vm) ? csb_vm_project_dir(vm) : "none");
    return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int delete(csb_vm *vm, const struct cli_options *o) {
    csb_error *err = NULL;

    if (!confirmed(vm, o)) {
        fprintf(stderr, "Nothing was deleted.\n");
        return EXIT_INTERRUPTED;
    }
    if (csb_vm_delete(vm, CSB_DELETE_FORCE, &err) != 0) {
        return cli_report(err);
    }
    if (!o->quiet) {
        printf("Deleted %s.\n", csb_vm_name(vm));
    }
    return 0;
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
