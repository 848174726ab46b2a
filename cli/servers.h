/* SPDX-License-Identifier: MIT */
/* Our other programs, which run in the background and serve all VMs of a user. */
#ifndef CLI_SERVERS_H
#define CLI_SERVERS_H

#include <stddef.h>

#include "cli.h"

#define HOOKS_SERVER "claude-hooks-server"
#define AUDIO_SERVER "claude-audio-server"

/*
 * Runs one of our own programs to its end, found beside the running one or else on PATH; what it
 * complains about goes to our stderr, what it says is thrown away. 0 when it succeeded, else its exit
 * status, or EXIT_SANDBOX after telling why there is none.
 */
int cli_run_server(const char *program, const char *const *args);
/* The same with the first line of what it says, which must fit. */
int cli_ask_server(const char *program, const char *const *args, char *line, size_t size);

/* Sees to it that the hooks server runs, unless CLAUDE_SANDBOX_HOOKS is 0. Claude works without: what
 * is wrong with it is told, and no more. */
void cli_start_hooks(void);
/* Ends a server if it is here and runs, and says so unless quiet. Exit status. */
int cli_stop_server(const char *program, const struct cli_options *o);

#endif
