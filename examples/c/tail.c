/* SPDX-License-Identifier: MIT */
/*
 * Shows what Claude Code does in all your VMs, a line for each event. It only watches: nobody waits for
 * it, and claude-hooks-server goes on as before. Ctrl-C ends it.
 *
 *     cc tail.c -o tail $(pkg-config --cflags --libs claudesandbox)
 *     claude-hooks-server start; ./tail
 */
#include <claudesandbox.h>

#include <signal.h>
#include <stdio.h>

static csb_ctx *ctx;

static void on_signal(int signo) {
    (void)signo;
    csb_ctx_cancel(ctx);
}

/* What a VM says may hold anything that a terminal obeys: a control character becomes "?". */
static void put(const char *text) {
    for (const unsigned char *c = (const unsigned char *)text; c && *c; c++) {
        if (c[0] == 0xc2 && c[1] < 0xa0) { /* one of U+0080 to U+009F */
            c++;
            putchar('?');
        } else {
            putchar(*c < ' ' || *c == 0x7f ? '?' : *c);
        }
    }
}

static int on_event(const csb_event *event, csb_reply *reply, void *userdata) {
    const char *const more[] = {csb_event_tool(event), csb_event_message(event),
                                csb_event_string(event, "prompt")};

    (void)reply, (void)userdata;
    if (csb_event_lost(event) > 0) {
        printf("... %llu events were lost ...\n", (unsigned long long)csb_event_lost(event));
    }
    printf("%s\t", csb_event_vm(event));
    put(csb_event_name(event));
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        if (more[i]) {
            putchar('\t');
            put(more[i]);
        }
    }
    putchar('\n');
    fflush(stdout);
    return 0;
}

int main(void) {
    csb_hooks_options options = CSB_HOOKS_OPTIONS_INIT;
    csb_error *err = NULL;
    int rc = csb_ctx_new(NULL, &ctx, &err);

    options.flags = CSB_HOOKS_WATCH;
    if (rc == 0) {
        signal(SIGINT, on_signal);
        signal(SIGTERM, on_signal);
        rc = csb_hooks_listen(ctx, &options, on_event, NULL, &err);
    }
    if (rc != CSB_ECANCELED) {
        fprintf(stderr, "tail: %s\n%s\n", csb_error_message(err), csb_error_hint(err));
    }
    csb_ctx_free(ctx);
    csb_error_free(err);
    return rc == CSB_ECANCELED ? 0 : 1;
}
