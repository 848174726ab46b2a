/* SPDX-License-Identifier: MIT */
#ifndef CSB_CORE_UTF8_H
#define CSB_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "core/strbuf.h"

/* How long the UTF-8 character at the start is (RFC 3629: no overlong forms, no surrogates); 0 where
 * there is none. */
size_t csb__utf8_length(const char *text, size_t left);
/* Adds a character; what is none (a surrogate, NUL) becomes U+FFFD. */
void csb__utf8_add(struct csb__strbuf *out, unsigned code);

/* UTF-8 without control characters of either set: no terminal obeys it. */
bool csb__utf8_is_tame(const char *text);
/* Makes it so, in place: a "?" for each byte that is not. */
void csb__utf8_tame(char *text);

#endif
