/* SPDX-License-Identifier: MIT */
/*
 * Runs a command in the VM of a project, which is made and started where it has to be. Ctrl-C ends
 * whatever is going on; a VM that was half made is gone then.
 *
 *     cc run.c -o run $(pkg-config --cflags --libs claudesandbox)
 *     ./run ~/myapp make test
 */
#include <claudesandbox.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static csb_ctx *ctx;

static void on_signal(int signo) {
    (void)signo;
    csb_ctx_cancel(ctx);
}

static void on_progress(int step, int steps, const char *text, void *userdata) {
    (void)userdata;
    fprintf(stderr, "[%d/%d] %s\n", step, steps, text);
}

/* The VM that the project has, or a new one. */
static int open_or_create(const char *project, csb_vm **vm, csb_error **err) {
    csb_vm_options options = CSB_VM_OPTIONS_INIT;
    int rc = csb_vm_for_project(ctx, project, vm, err);

    if (rc == CSB_ENOTFOUND) {
        csb_error_free(*err);
        *err = NULL;
        options.project_dir = project;
        rc = csb_vm_create(ctx, getenv("CLAUDE_SANDBOX_TEMPLATE"), &options, vm, err);
    }
    return rc;
}

int main(int argc, char **argv) {
    csb_ctx_options options = CSB_CTX_OPTIONS_INIT;
    csb_exec_options exec = CSB_EXEC_OPTIONS_INIT;
    csb_exit done = {125};
    csb_error *err = NULL;
    csb_vm *vm = NULL;
    int rc;

    if (argc < 3) {
        fprintf(stderr, "usage: run PROJECT COMMAND...\n");
        return 2;
    }
    options.progress = on_progress;
    exec.argv = (const char *const *)argv + 2;
    rc = csb_ctx_new(&options, &ctx, &err);
    if (rc == 0) {
        signal(SIGINT, on_signal);
        rc = open_or_create(argv[1], &vm, &err);
    }
    if (rc == 0) {
        rc = csb_vm_start(vm, &err);
    }
    if (rc == 0) {
        rc = csb_vm_exec(vm, &exec, &done, &err);
    }
    if (rc != 0) {
        fprintf(stderr, "run: %s\n%s\n", csb_error_message(err), csb_error_hint(err));
    }
    csb_error_free(err);
    csb_vm_free(vm);
    csb_ctx_free(ctx);
    return done.status;
}
