/* SPDX-License-Identifier: MIT */
/* Our other programs, which run in the background and serve all VMs of a user. */
#ifndef CLI_SERVERS_H
#define CLI_SERVERS_H

#include <stddef.h>

/*
 * Runs one of our own programs to its end, found beside the running one or else on PATH; what it
 * complains about goes to our stderr, what it says is thrown away. 0 when it succeeded, else its exit
 * status, or EXIT_SANDBOX after telling why there is none.
 */
int cli_run_server(const char *program, const char *const *args);
/* The same with the first line of what it says, which must fit. */
int cli_ask_server(const char *program, const char *const *args, char *line, size_t size);

#endif
