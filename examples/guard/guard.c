/* SPDX-License-Identifier: MIT */
/*
 * Answers Claude Code in all your VMs: `git push` and `git remote` are refused, and each session is told
 * so when it begins. Everything else is left to Claude's own rules. Ctrl-C ends it.
 *
 *     cc guard.c -o guard $(pkg-config --cflags --libs claudesandbox)
 *     claude-hooks-server stop && ./guard
 *
 * A gate for accidents and not for malice: what runs in a VM has other ways to say "git push".
 */
#include <claudesandbox.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

static csb_hooks *hooks;
static volatile sig_atomic_t over;

static void on_signal(int signo) {
    (void)signo;
    over = 1;
    csb_hooks_wakeup(hooks);
}

static int on_event(const csb_event *event, csb_reply *reply, void *userdata) {
    const char *tool = csb_event_tool(event);
    const char *json = csb_event_json(event, NULL);

    (void)userdata;
    if (strcmp(csb_event_name(event), "SessionStart") == 0) {
        return csb_reply_context(reply, "Pushing is done by the user, not by you.", NULL);
    }
    if (strcmp(csb_event_name(event), "PreToolUse") == 0 && tool && strcmp(tool, "Bash") == 0 &&
        (strstr(json, "git push") || strstr(json, "git remote"))) {
        printf("%s: refused to push\n", csb_event_vm(event));
        return csb_reply_deny(reply, "The user pushes. Say what is ready to be pushed.", NULL);
    }
    return 0;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_signal};
    csb_error *err = NULL;
    csb_ctx *ctx = NULL;
    int rc = csb_ctx_new(NULL, &ctx, &err);

    if (rc == 0) {
        rc = csb_hooks_open(ctx, NULL, on_event, NULL, &hooks, &err);
    }
    if (rc == 0) {
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
    }
    while (rc == 0 && !over) {
        rc = csb_hooks_dispatch(hooks, -1, &err);
    }
    if (rc != 0) {
        fprintf(stderr, "guard: %s\n%s\n", csb_error_message(err), csb_error_hint(err));
    }
    csb_hooks_close(hooks);
    csb_ctx_free(ctx);
    csb_error_free(err);
    return rc == 0 ? 0 : 1;
}
