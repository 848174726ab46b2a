/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "cli.h"

/* What stands in the way is said by its name, and not by that of the VM that would be made. */
static int check(csb_ctx *ctx, const struct cli_options *o, const char *dir) {
    csb_error *err = NULL;
    csb_vm *vm = NULL;
    char text[1024];
    bool itself;
    int rc = csb_vm_open(ctx, o->names[0], &vm, &err);

    csb_vm_free(vm);
    if (rc != 0) {
        return cli_report(err);
    }
    vm = NULL;
    if (csb_vm_for_project(ctx, dir, &vm, &err) != 0) {
        csb_error_free(err); /* none, or what making it will say */
        return -1;
    }
    itself = strcmp(csb_vm_name(vm), o->names[0]) == 0;
    if (itself) {
        snprintf(text, sizeof(text), "%s is the VM of %s itself; a copy is for another project",
                 csb_vm_name(vm), csb_vm_project_dir(vm));
    } else {
        snprintf(text, sizeof(text), "%s has a VM already: %s", csb_vm_project_dir(vm),
                 csb_vm_name(vm));
    }
    cli_print_safe(text);
    fprintf(stderr, "  try: claude-sandbox %s %s\n", itself ? "--dir PROJECT fork" : "delete",
            csb_vm_name(vm));
    csb_vm_free(vm);
    return EXIT_SANDBOX;
}

/* It is not started: that is the next command in that directory, whichever it is. */
static int run(csb_ctx *ctx, const struct cli_options *o) {
    struct cli_plan plan;
    csb_error *err = NULL;
    csb_vm *vm = NULL;
    int status;

    if (o->n_names < 1 || o->n_names > 2) {
        return cli_usage_error("fork needs the name of a VM, and takes one for the new VM");
    }
    status = cli_plan(ctx, o, &plan);
    if (status >= 0) {
        return status;
    }
    status = check(ctx, o, plan.options.project_dir);
    if (status >= 0) {
        return status;
    }
    plan.options.name = o->n_names == 2 ? o->names[1] : NULL;
    status = csb_vm_clone(ctx, o->names[0], &plan.options, &vm, &err);
    cli_progress_end();
    if (status != 0) {
        return cli_report(err);
    }
    if (!o->quiet) {
        printf("Made %s from %s.\n", csb_vm_name(vm), o->names[0]);
    }
    csb_vm_free(vm);
    return 0;
}

const struct cli_command cmd_fork = {
    .name = "fork",
    .arguments = "VM [NAME]",
    .summary = "make the project's VM as a copy of one that is stopped or suspended",
    .takes_names = true,
    .names_others = true,
    .run = run,
};
