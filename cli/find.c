/* SPDX-License-Identifier: MIT */
/* The machines that a command is about. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* The project's machine, half made, as an interrupted creation leaves it. NULL: there is none. */
static csb_vm *find_half_made(csb_ctx *ctx, const char *dir) {
    char *path = realpath(dir, NULL);
    csb_vm_list *list = NULL;
    csb_vm *vm = NULL;

    if (csb_vm_list_new(ctx, &list, NULL) == 0) {
        for (size_t i = 0; !vm && i < csb_vm_list_count(list); i++) {
            const csb_vm *other = csb_vm_list_get(list, i);

            if (strcmp(csb_vm_project_dir(other), path ? path : dir) == 0) {
                (void)csb_vm_open(ctx, csb_vm_name(other), &vm, NULL);
            }
        }
    }
    csb_vm_list_free(list);
    free(path);
    return vm;
}

/* Also what can't be used is there to be deleted. */
static csb_vm *open_project(csb_ctx *ctx, const struct cli_options *o, csb_error **err) {
    const char *dir = o->dir ? o->dir : ".";
    csb_vm *vm = NULL;

    if (csb_vm_for_project(ctx, dir, &vm, err) == CSB_ENOTFOUND) {
        vm = find_half_made(ctx, dir);
        if (vm) {
            csb_error_free(*err);
            *err = NULL;
        }
    }
    return vm;
}

int cli_for_each(csb_ctx *ctx, const struct cli_options *o,
                 int (*fn)(csb_vm *vm, const struct cli_options *o)) {
    int worst = 0;

    for (int i = 0; i < (o->n_names ? o->n_names : 1); i++) {
        csb_error *err = NULL;
        csb_vm *vm = NULL;
        int status;

        if (o->n_names) {
            (void)csb_vm_open(ctx, o->names[i], &vm, &err);
        } else {
            vm = open_project(ctx, o, &err);
        }
        status = err ? cli_report(err) : fn(vm, o);
        csb_vm_free(vm);
        worst = worst ? worst : status;
    }
    return worst;
}
