/* SPDX-License-Identifier: MIT */
/* Text from somewhere else, for a terminal or a log. */
#ifndef SAFE_TEXT_H
#define SAFE_TEXT_H

#include <stddef.h>
#include <stdio.h>

/* Writes it with a "?" for each control character (newlines are such, tabs are not), for each that
 * turns the direction of text round, and for each byte that is not UTF-8. */
void safe_text_put(FILE *out, const char *text, size_t len);

#endif
