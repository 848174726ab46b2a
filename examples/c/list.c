/* SPDX-License-Identifier: MIT */
/*
 * Lists your VMs: the name, the state and the project of each.
 *
 *     cc list.c -o list $(pkg-config --cflags --libs claudesandbox)
 */
#include <claudesandbox.h>

#include <stdio.h>

int main(void) {
    csb_error *err = NULL;
    csb_ctx *ctx = NULL;
    csb_vm_list *list = NULL;
    int rc = csb_ctx_new(NULL, &ctx, &err);

    if (rc == 0) {
        rc = csb_vm_list_new(ctx, &list, &err);
    }
    for (size_t i = 0; rc == 0 && i < csb_vm_list_count(list); i++) {
        const csb_vm *vm = csb_vm_list_get(list, i);

        printf("%s\t%s\t%s\n", csb_vm_name(vm), csb_vm_state_name(vm), csb_vm_project_dir(vm));
    }
    if (rc != 0) {
        fprintf(stderr, "list: %s\n%s\n", csb_error_message(err), csb_error_hint(err));
    }
    csb_vm_list_free(list);
    csb_ctx_free(ctx);
    csb_error_free(err);
    return rc == 0 ? 0 : 1;
}
