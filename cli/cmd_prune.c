/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Ours by record, whatever they are called; never one without a project, which is somebody's base,
 * nor the base that new VMs are made from; a running one only by force. */
static bool wants_prune(const csb_vm *vm, const struct cli_options *o) {
    const char *base = getenv("CLAUDE_SANDBOX_BASE_VM");
    const char *prefix = o->n_names ? o->names[0] : "";
    int state = csb_vm_state(vm);

    if (strncmp(csb_vm_name(vm), prefix, strlen(prefix)) != 0 || !*csb_vm_project_dir(vm) ||
        (base && strcmp(base, csb_vm_name(vm)) == 0)) {
        return false;
    }
    return o->force || (state != CSB_VM_RUNNING && state != CSB_VM_STARTING);
}

/* One that was started meanwhile stays. */
static int delete (csb_vm *vm, const struct cli_options *o) {
    return cli_delete(vm, o, o->force ? CSB_DELETE_FORCE : 0);
}

static int prune(const csb_vm_list *list, const struct cli_options *o, const char **names) {
    size_t n = 0;

    for (size_t i = 0; i < csb_vm_list_count(list); i++) {
        const csb_vm *vm = csb_vm_list_get(list, i);

        if (wants_prune(vm, o)) {
            names[n++] = csb_vm_name(vm);
            if (!o->quiet || o->dry_run) {
                printf("%s\t%s\t%s\n", csb_vm_name(vm), csb_vm_state_name(vm),
                       csb_vm_project_dir(vm));
            }
        }
    }
    fflush(stdout);
    if (n == 0 || o->dry_run) {
        return 0;
    }
    if (!cli_confirm(o, "Delete %s, with everything but the projects?", n == 1 ? "it" : "them")) {
        return EXIT_INTERRUPTED;
    }
    return cli_parallel(o, names, n, delete);
}

static int run(csb_ctx *ctx, const struct cli_options *o) {
    csb_vm_list *list = NULL;
    csb_error *err = NULL;
    const char **names;
    int status;

    if (o->n_names > 1) {
        return cli_usage_error("prune takes one prefix at most");
    }
    if (csb_vm_list_new(ctx, &list, &err) != 0) {
        return cli_report(err);
    }
    names = calloc(csb_vm_list_count(list) + 1, sizeof(*names));
    status = names ? prune(list, o, names) : EXIT_SANDBOX;
    free(names);
    csb_vm_list_free(list);
    return status;
}

const struct cli_command cmd_prune = {
    .name = "prune",
    .arguments = "[PREFIX]",
    .summary = "delete all stopped VMs (-f: running ones too); --dry-run",
    .takes_names = true,
    .run = run,
};
