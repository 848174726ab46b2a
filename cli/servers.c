/* SPDX-License-Identifier: MIT */
#include "servers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "programs.h"
#include "server_status.h"

#define ARGS_MAX 16
/* More than a server takes to begin, or to end by force. */
#define PATIENCE_MS 60000

static int report(const char *program, const char *what) {
    char text[512];

    snprintf(text, sizeof(text), "%s %s", program, what);
    cli_print_safe(text);
    return EXIT_SANDBOX;
}

int cli_ask_server(const char *program, const char *const *args, char *line, size_t size) {
    char *path = cli_find_own(program);
    const char *argv[ARGS_MAX] = {path};
    int status;

    if (!path) {
        return report(program, "is not installed");
    }
    for (int i = 0; args && args[i] && i < ARGS_MAX - 2; i++) {
        argv[i + 1] = args[i];
    }
    cli_progress_end();
    status = cli_ask_aloud(argv, PATIENCE_MS, line, size);
    free(path);
    line[strcspn(line, "\n")] = '\0';
    return status < 0 ? report(program, "did not end as it should") : status;
}

int cli_run_server(const char *program, const char *const *args) {
    char line[256];

    return cli_ask_server(program, args, line, sizeof(line));
}

static bool is_installed(const char *program) {
    char *path = cli_find_own(program);
    bool found = path != NULL;

    free(path);
    return found;
}

void cli_start_hooks(void) {
    const char *wanted = getenv("CLAUDE_SANDBOX_HOOKS");
    const char *const start[] = {"start", NULL};

    if (!(wanted && strcmp(wanted, "0") == 0) && is_installed(HOOKS_SERVER)) {
        (void)cli_run_server(HOOKS_SERVER, start);
    }
}

int cli_stop_server(const char *program, const struct cli_options *o) {
    const char *const stop[] = {"stop", NULL};
    struct server_status s;
    int status = 0;

    cli_server_status(program, &s);
    if (s.state == SERVER_RUNNING || s.state == SERVER_SILENT) {
        status = cli_run_server(program, stop);
        if (status == 0 && !o->quiet) {
            printf("Stopped %s.\n", program);
        }
    }
    return status;
}
