/* SPDX-License-Identifier: MIT */
/*
 * Claude Code and its events in a loop of your own: one poll() waits for all that there is. Shows what
 * Claude prints as it comes, and says on standard error which tools it uses.
 *
 *     cc embed.c -o embed $(pkg-config --cflags --libs claudesandbox)
 *     ./embed ~/myapp "Fix the failing test"      (a project that has a VM)
 */
#include <claudesandbox.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int on_event(const csb_event *event, csb_reply *reply, void *userdata) {
    const char *vm = userdata;

    (void)reply;
    if (strcmp(csb_event_vm(event), vm) == 0 && strcmp(csb_event_name(event), "PreToolUse") == 0) {
        fprintf(stderr, "embed: a tool is used in %s\n", vm);
    }
    return 0;
}

/* Until Claude has closed its output: 0, else an error. */
static int loop(csb_process *process, csb_hooks *hooks, csb_error **err) {
    struct pollfd fds[] = {{csb_process_fd(process, 1), POLLIN, 0},
                           {csb_hooks_fd(hooks), POLLIN, 0}};
    char buffer[4096];
    ssize_t n = 1;
    int rc = 0;

    while (rc == 0 && n > 0 && poll(fds, 2, -1) >= 0) {
        if (fds[0].revents) {
            n = read(fds[0].fd, buffer, sizeof(buffer));
            fwrite(buffer, 1, n > 0 ? (size_t)n : 0, stdout);
            fflush(stdout);
        }
        if (fds[1].revents) {
            rc = csb_hooks_dispatch(hooks, 0, err);
        }
    }
    return rc;
}

static int work(csb_vm *vm, csb_hooks *hooks, const char *prompt, int *status, csb_error **err) {
    csb_claude_options claude = CSB_CLAUDE_OPTIONS_INIT;
    csb_process *process = NULL;
    csb_exit done = {125};
    int rc = csb_vm_start(vm, err);

    claude.prompt = prompt;
    claude.stdin_fd = CSB_EXEC_NULL;
    claude.stdout_fd = CSB_EXEC_PIPE;
    rc = rc == 0 ? csb_vm_spawn_claude(vm, &claude, &process, err) : rc;
    rc = rc == 0 ? loop(process, hooks, err) : rc;
    rc = rc == 0 ? csb_process_wait(process, -1, &done, err) : rc;
    csb_process_free(process);
    *status = done.status;
    return rc;
}

int main(int argc, char **argv) {
    const char *project = argc > 1 ? argv[1] : ".", *prompt = argc > 2 ? argv[2] : "Say hello.";
    csb_error *err = NULL;
    csb_ctx *ctx = NULL;
    csb_vm *vm = NULL;
    csb_hooks *hooks = NULL;
    int status = 125, rc = csb_ctx_new(NULL, &ctx, &err);

    rc = rc == 0 ? csb_vm_for_project(ctx, project, &vm, &err) : rc;
    rc = rc == 0 ? csb_hooks_open(ctx, NULL, on_event, (void *)csb_vm_name(vm), &hooks, &err) : rc;
    rc = rc == 0 ? work(vm, hooks, prompt, &status, &err) : rc;
    if (rc != 0) {
        fprintf(stderr, "embed: %s\n%s\n", csb_error_message(err), csb_error_hint(err));
    }
    csb_hooks_close(hooks), csb_vm_free(vm), csb_ctx_free(ctx), csb_error_free(err);
    return status;
}
