/* SPDX-License-Identifier: MIT */
/* A program that does one thing and ends, soon or by force. Its end wakes the loop. */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The status of one that has not ended yet, and of one that did not end by itself. */
#define CHILD_RUNS (-2)
#define CHILD_FAILED (-1)
/* As a shell has it. */
#define CHILD_NOT_FOUND 127

struct child {
    pid_t pid; /* 0: none */
    int fd;    /* what it prints; -1: nobody listens */
    int64_t deadline;
};

/* False when it can't be begun. One that is listened to may print no more than a pipe holds. */
bool child_begin(struct child *c, const char *const *argv, int patience_ms, bool listen);
/* Its exit status, or one of the above. */
int child_look(struct child *c);
/* In how many milliseconds it is to be looked at again at the latest, or -1. */
int child_wait_ms(const struct child *c);
/* What it has printed, once it has ended; "" without. */
void child_read(struct child *c, char *out, size_t size);
/* Ends it where it runs, and lets go of what it printed. */
void child_end(struct child *c);

#endif
