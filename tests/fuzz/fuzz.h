/* SPDX-License-Identifier: MIT */
/* What the fuzzers share. Each is a file NAME.c with libFuzzer's entry point, and has its inputs in
 * corpus/NAME. It asserts what the parser promises, not only that it survives. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the fuzzer, which then keeps the input. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: must be so: %s\n", __FILE__, __LINE__, #condition);            \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The input as a string of its own, which ends at its first NUL; to be freed. */
char *fuzz_text(const uint8_t *data, size_t size);
/* A byte off the front, 0 when there is none. */
uint8_t fuzz_byte(const uint8_t **data, size_t *size);
/* A directory of this process, in memory where there is one; and the input as a file in it. */
const char *fuzz_dir(void);
void fuzz_write(const char *name, const void *data, size_t size);

/* UTF-8 without a control character of either set. */
bool fuzz_is_clean(const char *text);
/* Neither more nor less than an error that can be shown to people. Frees it; returns rc == 0. */
bool fuzz_good(int rc, csb_error *err);

#endif
