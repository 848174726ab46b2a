/* SPDX-License-Identifier: MIT */
/* A project that was moved or renamed has another path, and so gets another VM, without what was put
 * into the old one. That is said. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define LOOK_MS 500

/* Of a path, up to its name. More than its path is not left of a directory that is gone. */
static size_t parent_length(const char *path) {
    const char *slash = strrchr(path, '/');

    return slash ? (size_t)(slash - path) : 0;
}

static bool has_name_of(const char *gone, const char *here) {
    return strcmp(gone + parent_length(gone), here + parent_length(here)) == 0;
}

static bool is_beside(const char *gone, const char *here) {
    size_t len = parent_length(gone);

    return len == parent_length(here) && strncmp(gone, here, len) == 0;
}

static bool is_homeless(const csb_vm *vm) {
    const char *dir = csb_vm_project_dir(vm);

    return *dir && csb_vm_state(vm) != CSB_VM_BROKEN && access(dir, F_OK) != 0 && errno == ENOENT;
}

/* That of a project of the same name, or else the only one of a project that was beside this. */
static const csb_vm *find(const csb_vm_list *list, const char *here) {
    const csb_vm *beside = NULL;
    int n_beside = 0;

    for (size_t i = 0; i < csb_vm_list_count(list); i++) {
        const csb_vm *vm = csb_vm_list_get(list, i);

        if (!is_homeless(vm)) {
            continue;
        }
        if (has_name_of(csb_vm_project_dir(vm), here)) {
            return vm;
        }
        if (is_beside(csb_vm_project_dir(vm), here)) {
            beside = vm;
            n_beside++;
        }
    }
    return n_beside == 1 ? beside : NULL;
}

static void say(const csb_vm *old, const csb_vm *made) {
    char *where = cli_quote(csb_vm_project_dir(made));
    char *text = NULL;

    if (asprintf(&text, "this VM is a new one; %s, the project of %s, is gone",
                 csb_vm_project_dir(old), csb_vm_name(old)) >= 0) {
        cli_print_safe(text);
        free(text);
    }
    fprintf(stderr, "  if it was moved here, try: claude-sandbox delete %s; ", csb_vm_name(made));
    if (csb_vm_state(old) != CSB_VM_STOPPED && csb_vm_state(old) != CSB_VM_SUSPENDED) {
        fprintf(stderr, "claude-sandbox stop %s; ", csb_vm_name(old));
    }
    fprintf(stderr, "claude-sandbox --dir %s fork %s\n", where ? where : "PROJECT",
            csb_vm_name(old));
    free(where);
}

void cli_say_if_moved(const struct cli_options *o, const csb_vm *made) {
    csb_ctx *ctx = o->quiet ? NULL : cli_new_hasty_context(o, LOOK_MS);
    csb_vm_list *list = NULL;

    if (ctx && csb_vm_list_new(ctx, &list, NULL) == 0) {
        const csb_vm *old = find(list, csb_vm_project_dir(made));

        if (old) {
            say(old, made);
        }
    }
    csb_vm_list_free(list);
    cli_free_context(ctx);
}
