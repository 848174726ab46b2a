/* SPDX-License-Identifier: MIT */
/* Between the files of rebuild-tools-vm. */
#ifndef CLI_REBUILD_H
#define CLI_REBUILD_H

#include <stdio.h>

#include "cli.h"

#define TOOLS_MAX 64
#define TOOL_NAME_MAX 64

/* A run of it: what is said goes to the terminal and, with the time, to a file. */
struct rebuild {
    const struct cli_options *o;
    csb_ctx *ctx;
    int64_t began; /* as of rebuild_log_open() */
    FILE *log;
    char log_path[4096];
    const char *name; /* of the base */
    char fresh[128];  /* of the one that is to take its place */
};

/* rebuild_log.c: -1, or the exit status when what is wrong was told. */
int rebuild_log_open(struct rebuild *r, const char *state_dir);
int64_t rebuild_took_ms(const struct rebuild *r);
void rebuild_log(const struct rebuild *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* What a script in the guest said, as far as there is room, and its exit status. */
struct guest_words {
    char text[4096];
    int status;
};

/* guest_run.c: runs a script there with sh, as the guest's user. `argument` is its $1, or NULL. */
int guest_run(csb_vm *vm, const char *script, const char *argument, int timeout_ms,
              struct guest_words *ret, csb_error **err);

/* tools.c: runs every tool of the template's list and says how each fared. *bad is how many don't
 * answer. */
int rebuild_check_tools(struct rebuild *r, csb_vm *vm, int *bad, csb_error **err);
/* seal.c: removes from the guest what its copies must not share, and what they don't need. */
int rebuild_seal(csb_vm *vm, csb_error **err);

#endif
