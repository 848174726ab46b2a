/* SPDX-License-Identifier: MIT */
/* The event log that claude-hooks-server keeps, read from its end. */
#ifndef CLI_EVENT_HISTORY_H
#define CLI_EVENT_HISTORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* An entry: true when it was taken, so that it counts. */
typedef bool (*event_history_fn)(const char *when, const char *vm, const json_t *event,
                                 void *userdata);

/* Calls fn from the newest to the oldest, until it has taken n; what can't be read is left out. */
void event_history_read(const char *state_dir, size_t n, event_history_fn fn, void *userdata);

#endif
