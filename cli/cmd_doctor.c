/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "cli.h"

/* An image and a few projects. */
#define ENOUGH_BYTES (UINT64_C(8) << 30)

static int problems;

/* One line a finding, and the command that mends it. */
static void finding(bool good, const char *what, const char *text, const char *mend) {
    printf("%s  %-10s  %s\n", good ? "ok " : "BAD", what, text);
    if (!good) {
        problems++;
        if (*mend) {
            printf("                 try: %s\n", mend);
        }
    }
}

/* Each engine by itself, asked for by name; then the choice. */
static void check_engine(const struct cli_options *o, const char *name) {
    struct cli_options wanted = *o;
    csb_error *err = NULL;
    const char *engine;
    const char *why;
    csb_ctx *ctx;
    int status;

    wanted.engine = name;
    ctx = cli_new_context(&wanted, false, &status);
    if (!ctx) {
        return;
    }
    if (csb_ctx_engine(ctx, &engine, &why, &err) == 0) {
        printf("     %-10s  %s\n", name, strchr(why, ':') ? strchr(why, ':') + 2 : why);
    } else {
        printf("     %-10s  not usable: %s\n", name, csb_error_message(err));
    }
    csb_error_free(err);
    cli_free_context(ctx);
}

static void check_choice(csb_ctx *ctx) {
    csb_error *err = NULL;
    const char *engine;
    const char *why;

    if (csb_ctx_engine(ctx, &engine, &why, &err) == 0) {
        finding(true, "engine", engine, "");
    } else {
        finding(false, "engine", csb_error_message(err), csb_error_hint(err));
    }
    csb_error_free(err);
}

static void check_space(const char *dir) {
    char *path = strdup(dir);
    char text[128];
    struct statvfs st;
    uint64_t space;

    /* The state directory may not be there yet. */
    for (char *end; path && statvfs(path, &st) != 0 && (end = strrchr(path, '/')) && end > path;) {
        *end = '\0';
    }
    if (!path || statvfs(path, &st) != 0) {
        finding(false, "disk", "can't tell how much room there is", "");
    } else {
        space = (uint64_t)st.f_bavail * st.f_frsize;
        snprintf(text, sizeof(text), "%llu GiB free", (unsigned long long)(space >> 30));
        finding(space >= ENOUGH_BYTES, "disk", text, "claude-sandbox prune");
    }
    free(path);
}

static void check_vms(csb_ctx *ctx) {
    csb_vm_list *list = NULL;
    csb_error *err = NULL;
    char text[512];

    if (csb_vm_list_new(ctx, &list, &err) != 0) {
        finding(false, "VMs", csb_error_message(err), csb_error_hint(err));
        csb_error_free(err);
        return;
    }
    for (size_t i = 0; i < csb_vm_list_count(list); i++) {
        const csb_vm *vm = csb_vm_list_get(list, i);

        if (csb_vm_state(vm) == CSB_VM_BROKEN) {
            char mend[256];

            snprintf(text, sizeof(text), "%s is broken: %s", csb_vm_name(vm),
                     csb_vm_state_reason(vm));
            snprintf(mend, sizeof(mend), "claude-sandbox stop -f %s", csb_vm_name(vm));
            finding(false, "VMs", text, mend);
        }
    }
    snprintf(text, sizeof(text), "%zu, in %s", csb_vm_list_count(list), csb_ctx_state_dir(ctx));
    finding(true, "VMs", text, "");
    csb_vm_list_free(list);
}

static int run(csb_ctx *ctx, const struct cli_options *o) {
    finding(true, "version", csb_version(), "");
    check_choice(ctx);
    check_engine(o, "lima");
    check_engine(o, "qemu");
    check_space(csb_ctx_state_dir(ctx));
    check_vms(ctx);
    return problems ? 1 : 0;
}

const struct cli_command cmd_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "what works here, what doesn't, and what mends it",
    .run = run,
};
