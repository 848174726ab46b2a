/* SPDX-License-Identifier: MIT */
/* What a program does with the library, each in a context of its own, with the pretended engine. */
#ifndef OPERATIONS_H
#define OPERATIONS_H

#include <stdbool.h>

#include <claudesandbox.h>

#define SNAPSHOT_MAX 2048

struct operation {
    const char *name;
    int (*run)(csb_error **err);
    const struct operation *undo;           /* NULL: it changes nothing */
    const struct operation *const *prepare; /* ends in NULL */
    /* What may be left with an error, when what was done first can't be taken back; doing it again ends
     * it. NULL: nothing. */
    const char *halfway;
};

const struct operation *operation_find(const char *name);
/* All machines with their states in a line; false with an error's words. */
bool world_snapshot(char out[SNAPSHOT_MAX]);

#endif
