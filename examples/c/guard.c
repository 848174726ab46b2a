/* SPDX-License-Identifier: MIT */
/*
 * Answers Claude Code in all your VMs: `git push` and `git remote` are refused, and each session is told
 * so when it begins. Everything else is left to Claude's own rules. It runs beside claude-hooks-server,
 * or without one. Ctrl-C ends it.
 *
 *     cc guard.c -o guard $(pkg-config --cflags --libs claudesandbox)
 *     ./guard
 *
 * A gate for accidents and not for malice: what runs in a VM has other ways to say "git push".
 */
#include <claudesandbox.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

static csb_ctx *ctx;

static void on_signal(int signo) {
    (void)signo;
    csb_ctx_cancel(ctx);
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
        fflush(stdout);
        return csb_reply_deny(reply, "The user pushes. Say what is ready to be pushed.", NULL);
    }
    return 0;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_signal};
    csb_error *err = NULL;
    int rc = csb_ctx_new(NULL, &ctx, &err);

    if (rc == 0) {
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        rc = csb_hooks_listen(ctx, NULL, on_event, NULL, &err);
    }
    if (rc != CSB_ECANCELED) {
        fprintf(stderr, "guard: %s\n%s\n", csb_error_message(err), csb_error_hint(err));
    }
    csb_ctx_free(ctx);
    csb_error_free(err);
    return rc == CSB_ECANCELED ? 0 : 1;
}
