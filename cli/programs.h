/* SPDX-License-Identifier: MIT */
#ifndef PROGRAMS_H
#define PROGRAMS_H

#include <stdbool.h>
#include <stddef.h>

/* What main() was called as. */
void cli_programs_init(const char *argv0);
/* The path of this program without links, to be freed; NULL where it can't be told. */
char *cli_own_path(void);
/* A program of ours: beside this one, else on PATH. To be freed; NULL when it is not there. */
char *cli_find_own(const char *name);
/* Any program on PATH, likewise. */
char *cli_find_program(const char *name);

/* Runs a program without input and takes its output, of which `size` - 1 bytes are kept: its exit
 * status, or -1 when it could not be run, was ended by a signal or took longer than that. */
int cli_ask(const char *const *argv, int ms, char *out, size_t size);
/* The same with what it says on standard error. */
int cli_ask_both(const char *const *argv, int ms, char *out, size_t size);
/* The same, and that goes to our own. */
int cli_ask_aloud(const char *const *argv, int ms, char *out, size_t size);

#endif
