/* SPDX-License-Identifier: MIT */
#ifndef SERVER_STATUS_H
#define SERVER_STATUS_H

#include <stdint.h>

enum { SERVER_ABSENT, SERVER_STOPPED, SERVER_RUNNING, SERVER_SILENT };

struct server_status {
    int state;
    int64_t pid; /* 0: unknown, as for the next; set when it runs */
    int64_t since;
    char version[32];
};

/* Asks one of our servers how it is; takes a third of a second at most. */
void cli_server_status(const char *program, struct server_status *ret);
/* The state as a word for programs: "absent", "stopped", "running", "unknown". */
const char *cli_server_word(int state);

#endif
