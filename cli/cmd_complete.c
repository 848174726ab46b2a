/* SPDX-License-Identifier: MIT */
/* What shells ask while somebody types: at once, and in silence. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define SUFFIX ".json"

static int is_record(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);

    return len > strlen(SUFFIX) && entry->d_name[0] != '.' &&
           strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX) == 0;
}

/* The names of the records; to ask an engine would take too long. */
static void print_vms(csb_ctx *ctx) {
    struct dirent **entries = NULL;
    char *path = NULL;
    int n = -1;

    if (asprintf(&path, "%s/vms", csb_ctx_state_dir(ctx)) >= 0) {
        n = scandir(path, &entries, is_record, alphasort);
        free(path);
    }
    for (int i = 0; i < n; i++) {
        printf("%.*s\n", (int)(strlen(entries[i]->d_name) - strlen(SUFFIX)), entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

static int run(csb_ctx *ctx, const struct cli_options *o) {
    const char *what = o->n_names > 0 ? o->names[0] : "";

    if (strcmp(what, "vms") == 0) {
        print_vms(ctx);
    } else if (strcmp(what, "commands") == 0) {
        for (int i = 0; cli_commands[i]; i++) {
            printf("%s\t%s\n", cli_commands[i]->name, cli_commands[i]->summary);
        }
    } else if (strcmp(what, "options") == 0) {
        cli_list_options();
    }
    return 0;
}

const struct cli_command cmd_complete = {
    .name = "__complete",
    .arguments = "",
    .summary = "",
    .takes_names = true,
    .run = run,
};
