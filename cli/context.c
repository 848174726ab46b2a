/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "cli.h"

/* One for the command, and one for each thread of parallel.c. */
#define CONTEXTS_MAX 32

/* Read by the signal handler, so without a lock. */
static _Atomic(csb_ctx *) contexts[CONTEXTS_MAX];

static volatile sig_atomic_t interrupted;

static void on_signal(int signo) {
    (void)signo;
    interrupted = 1;
    for (int i = 0; i < CONTEXTS_MAX; i++) {
        csb_ctx *ctx = atomic_load(&contexts[i]);

        if (ctx) {
            csb_ctx_cancel(ctx);
        }
    }
}

void cli_catch_signals(void) {
    const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    for (int i = 0; i < 3; i++) {
        sigaction(signals[i], &action, NULL);
    }
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

bool cli_is_interrupted(void) {
    return interrupted;
}

static void log_line(int level, const char *text, void *userdata) {
    const bool *verbose = userdata;

    if (level == CSB_LOG_WARNING || *verbose) {
        cli_print_safe(text);
    }
}

static void replace(csb_ctx *from, csb_ctx *to) {
    for (int i = 0; i < CONTEXTS_MAX; i++) {
        csb_ctx *expected = from;

        if (atomic_compare_exchange_strong(&contexts[i], &expected, to)) {
            return;
        }
    }
}

csb_ctx *cli_open_context(const csb_ctx_options *options, csb_error **err) {
    csb_ctx *ctx = NULL;

    if (csb_ctx_new(options, &ctx, err) != 0) {
        return NULL;
    }
    replace(NULL, ctx);
    return ctx;
}

static csb_ctx *make(const struct cli_options *o, bool progress, int timeout_ms, csb_error **err) {
    csb_ctx_options options = CSB_CTX_OPTIONS_INIT;

    options.engine = o->engine;
    options.log = log_line;
    options.log_userdata = (void *)&o->verbose;
    options.progress = progress && !o->quiet ? cli_progress : NULL;
    options.timeout_ms = timeout_ms;
    return cli_open_context(&options, err);
}

csb_ctx *cli_new_context(const struct cli_options *o, bool progress, int *status) {
    csb_error *err = NULL;
    csb_ctx *ctx = make(o, progress, 0, &err);

    if (!ctx) {
        *status = cli_report(err);
    }
    return ctx;
}

csb_ctx *cli_new_hasty_context(const struct cli_options *o, int timeout_ms) {
    return make(o, false, timeout_ms, NULL);
}

/* Handlers run on the main thread, which is the one that calls this: none can be half-way through
 * with the context when it goes. */
void cli_free_context(csb_ctx *ctx) {
    if (ctx) {
        replace(ctx, NULL);
        csb_ctx_free(ctx);
    }
}
