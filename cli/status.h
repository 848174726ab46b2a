/* SPDX-License-Identifier: MIT */
/* What `status` knows, and its three ways to say it. */
#ifndef STATUS_H
#define STATUS_H

#include "cli.h"
#include "server_status.h"

struct status {
    const csb_vm_list *list;
    /* The rest is for people and JSON: to ask it costs processes. */
    const char *base_vm;  /* NULL: none is set */
    const char *template; /* NULL: the engine's own */
    const char *engine;   /* NULL: none is usable */
    const char *engine_why;
    struct server_status hooks;
    struct server_status audio;
};

/* status_text.c: a table on a terminal, else tabs between the columns and nothing else. */
void cli_status_table(const struct status *s);
void cli_status_columns(const struct status *s);
/* status_json.c; the exit status. */
int cli_status_json(const struct status *s);

#endif
