/* SPDX-License-Identifier: MIT */
#ifndef CSB_CORE_UTF8_H
#define CSB_CORE_UTF8_H

#include <stddef.h>

#include "core/strbuf.h"

/* How long the UTF-8 character at the start is (RFC 3629: no overlong forms, no surrogates); 0 where
 * there is none. */
size_t csb__utf8_length(const char *text, size_t left);
/* Adds a character; what is none (a surrogate, NUL) becomes U+FFFD. */
void csb__utf8_add(struct csb__strbuf *out, unsigned code);

#endif
