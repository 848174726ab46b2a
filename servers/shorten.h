/* SPDX-License-Identifier: MIT */
/* JSON with its long strings cut, on one line. Pure. */
#ifndef SHORTEN_H
#define SHORTEN_H

#include <stddef.h>

/*
 * Writes the JSON text (which must be valid) to `out` with no more than `string_max` bytes of each
 * string, and "..." where some are missing. The bytes written, without the NUL behind them; 0 when
 * they don't fit in `size`.
 */
size_t shorten_json(const char *json, size_t len, size_t string_max, char *out, size_t size);

/* How many of the text's first `max` bytes can be taken without cutting a UTF-8 character in two. */
size_t shorten_utf8(const char *text, size_t max);

#endif
