/* SPDX-License-Identifier: MIT */
/* A project that was moved or renamed has another path, and so gets another VM, without what was put
 * into the old one. That is said. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define LOOK_MS 500

/* Of one name or in one place: more than that is not left of a directory that is gone. */
static bool may_be(const char *gone, const char *here) {
    const char *gone_name = strrchr(gone, '/');
    const char *here_name = strrchr(here, '/');

    if (!gone_name || !here_name) {
        return false;
    }
    return strcmp(gone_name, here_name) == 0 ||
           (gone_name - gone == here_name - here &&
            strncmp(gone, here, (size_t)(gone_name - gone)) == 0);
}

static void say(const csb_vm *old) {
    char text[1024];

    snprintf(text, sizeof(text), "this VM is a new one; %s, the project of %s, is gone",
             csb_vm_project_dir(old), csb_vm_name(old));
    cli_print_safe(text);
    fprintf(stderr, "  if it was moved here, try: claude-sandbox delete; ");
    if (csb_vm_state(old) != CSB_VM_STOPPED && csb_vm_state(old) != CSB_VM_SUSPENDED) {
        fprintf(stderr, "claude-sandbox stop %s; ", csb_vm_name(old));
    }
    fprintf(stderr, "claude-sandbox fork %s\n", csb_vm_name(old));
}

void cli_say_if_moved(const struct cli_options *o, const csb_vm *made) {
    csb_ctx *ctx = o->quiet ? NULL : cli_new_hasty_context(o, LOOK_MS);
    csb_vm_list *list = NULL;

    if (ctx) {
        (void)csb_vm_list_new(ctx, &list, NULL);
    }
    for (size_t i = 0; list && i < csb_vm_list_count(list); i++) {
        const csb_vm *old = csb_vm_list_get(list, i);
        const char *dir = csb_vm_project_dir(old);

        if (*dir && access(dir, F_OK) != 0 && errno == ENOENT &&
            may_be(dir, csb_vm_project_dir(made))) {
            say(old);
            break;
        }
    }
    csb_vm_list_free(list);
    cli_free_context(ctx);
}
