/* SPDX-License-Identifier: MIT */
/* What a project of somebody else's begins with: the library is found, and it answers. */
#include <claudesandbox.h>

#include <stdio.h>
#include <string.h>

int main(void) {
    csb_error *err = NULL;
    csb_ctx *ctx = NULL;
    csb_vm_list *list = NULL;
    int rc = csb_ctx_new(NULL, &ctx, &err);

    if (rc == 0) {
        rc = csb_vm_list_new(ctx, &list, &err);
    }
    if (rc == 0) {
        printf("claudesandbox %s: %u VMs\n", csb_version(), (unsigned)csb_vm_list_count(list));
    } else {
        fprintf(stderr, "%s\n", csb_error_message(err));
    }
    csb_vm_list_free(list);
    csb_ctx_free(ctx);
    csb_error_free(err);
    return rc == 0 && strcmp(csb_version(), CSB_VERSION_STRING) == 0 ? 0 : 1;
}
