/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <string.h>

#include "cli.h"

static csb_ctx *running;

static void on_signal(int signo) {
    (void)signo;
    csb_ctx_cancel(running);
}

static void log_line(int level, const char *text, void *userdata) {
    (void)level;
    (void)userdata;
    cli_print_safe(text);
}

static void catch_signals(void) {
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

int main(int argc, char **argv) {
    csb_ctx_options options = CSB_CTX_OPTIONS_INIT;
    const struct cli_command *command = NULL;
    struct cli_options o;
    csb_error *err = NULL;
    int status = cli_parse(argc, argv, &o, &command);

    if (status >= 0) {
        return status;
    }
    options.engine = o.engine;
    options.log = o.verbose ? log_line : NULL;
    options.progress = o.quiet ? NULL : cli_progress;
    if (csb_ctx_new(&options, &running, &err) != 0) {
        return cli_report(err);
    }
    catch_signals();
    status = command->run(running, &o);
    csb_ctx_free(running);
    return status;
}
