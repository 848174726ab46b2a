/* SPDX-License-Identifier: MIT */
/* Long work, phase by phase: on a terminal each with the time it took, elsewhere a line each. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

static struct timespec phase_start;
static bool open_line;

static double seconds_since(const struct timespec *then) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

void cli_progress_end(void) {
    if (open_line) {
        open_line = false;
        fprintf(stderr, " %.1f s\n", seconds_since(&phase_start));
    }
}

void cli_progress(int step, int steps, const char *text, void *userdata) {
    (void)userdata;
    cli_progress_end();
    if (steps > 0) {
        fprintf(stderr, "[%d/%d] ", step, steps);
    }
    clock_gettime(CLOCK_MONOTONIC, &phase_start);
    fputs(text, stderr);
    if (isatty(STDERR_FILENO)) {
        fputs(" ...", stderr);
        fflush(stderr);
        open_line = true;
    } else {
        fputc('\n', stderr);
    }
}
