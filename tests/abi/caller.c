/* SPDX-License-Identifier: MIT */
/*
 * A program that uses all options, for test_callers.py, which compiles it against older and newer
 * headers than the library's. Usage: caller TEMPLATE PROJECT [OPTIONS], where OPTIONS names those in
 * which something is set that only the newer headers have.
 *
 * Options end where a page ends that can't be read beyond: whoever reads more than there is dies.
 */
#include <claudesandbox.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *newer = "";

static void *at_end_of_page(const void *what, size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (two == MAP_FAILED || mprotect(two + page, page, PROT_NONE) != 0) {
        perror("mmap");
        exit(3);
    }
    return memcpy(two + page - size, what, size);
}

#ifdef NEWER
#define SET_NEWER(o, name) ((o)->newer = strcmp(newer, name) == 0)
#else
#define SET_NEWER(o, name) (void)0
#endif

#define OPTIONS(type, o, init)                                                                     \
    type o##_init = init;                                                                          \
    type *o = at_end_of_page(&o##_init, sizeof(o##_init));                                         \
    SET_NEWER(o, #type)

static int report(const char *what, int rc, csb_error **err) {
    printf("%s: %s%s%s\n", what, rc == 0 ? "fine" : csb_error_name(rc), rc == 0 ? "" : ": ",
           csb_error_message(*err));
    csb_error_free(*err);
    *err = NULL;
    return rc;
}

static int on_event(const csb_event *event, csb_reply *reply, void *userdata) {
    (void)event, (void)reply, (void)userdata;
    return 0;
}

static void in_the_vm(csb_vm *vm) {
    static const char *const argv[] = {"echo", "hello", NULL};
    OPTIONS(csb_exec_options, exec, CSB_EXEC_OPTIONS_INIT);
    OPTIONS(csb_claude_options, claude, CSB_CLAUDE_OPTIONS_INIT);
    csb_error *err = NULL;
    csb_exit done = {-1};

    exec->argv = argv;
    report("exec", csb_vm_exec(vm, exec, &done, &err), &err);
    printf("status %d\n", done.status);
    claude->prompt = "hello";
    done.status = -1;
    report("claude", csb_vm_exec_claude(vm, claude, &done, &err), &err);
    printf("status %d\n", done.status);
}

static void with_context(csb_ctx *ctx, const char *template, const char *project) {
    OPTIONS(csb_vm_options, options, CSB_VM_OPTIONS_INIT);
    OPTIONS(csb_hooks_options, listen, CSB_HOOKS_OPTIONS_INIT);
    csb_hooks *hooks = NULL;
    csb_error *err = NULL;
    csb_vm *vm = NULL;

    report("hooks", csb_hooks_open(ctx, listen, on_event, NULL, &hooks, &err), &err);
    csb_hooks_close(hooks);
    options->project_dir = project;
    if (report("create", csb_vm_create(ctx, template, options, &vm, &err), &err) == 0) {
        options->project_dir = NULL;
        report("configure", csb_vm_configure(vm, options, NULL, &err), &err);
        if (report("start", csb_vm_start(vm, &err), &err) == 0) {
            in_the_vm(vm);
        }
        report("delete", csb_vm_delete(vm, CSB_DELETE_FORCE, &err), &err);
    }
    csb_vm_free(vm);
}

int main(int argc, char **argv) {
    csb_error *err = NULL;
    csb_ctx *ctx = NULL;

    setvbuf(stdout, NULL, _IONBF, 0); /* in its place between what programs in the VM say */
    if (argc < 3) {
        return 2;
    }
    newer = argc > 3 ? argv[3] : "";
    {
        OPTIONS(csb_ctx_options, options, CSB_CTX_OPTIONS_INIT);

        if (report("context", csb_ctx_new(options, &ctx, &err), &err) == 0) {
            with_context(ctx, argv[1], argv[2]);
        }
    }
    csb_ctx_free(ctx);
    return 0;
}
