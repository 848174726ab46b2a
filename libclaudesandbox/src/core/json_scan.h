/* SPDX-License-Identifier: MIT */
/*
 * JSON read without a copy or a tree of it. What a guest sends may be 8 MiB of "[[],[],": jansson
 * makes hundreds of MiB of that, this nothing. Pure.
 */
#ifndef CSB_CORE_JSON_SCAN_H
#define CSB_CORE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/* Deeper than anything meant well, and the most that is remembered. */
#define CSB__JSON_DEPTH_MAX 512

/* A value as it stands in the text: a string with its quotes. */
struct csb__json_slice {
    const char *text;
    size_t len;
};

/* false refuses the whole text. */
typedef bool (*csb__json_member_fn)(struct csb__json_slice key, struct csb__json_slice value,
                                    void *userdata);

/* Whether the text is one object, strictly as in RFC 8259 and in UTF-8; fn (may be NULL) is told of
 * the outermost members as they come. */
bool csb__json_scan(const char *text, size_t len, csb__json_member_fn fn, void *userdata);

/* A string without its quotes and escapes, in UTF-8, to be freed. What C or UTF-8 can't hold (NUL,
 * half a surrogate pair, which JavaScript makes when it cuts a text) is U+FFFD. NULL for a value
 * that is no string, or when memory ran out. */
char *csb__json_decode(struct csb__json_slice value);

/* Whether two strings, as slices of a text that was scanned, say the same. */
bool csb__json_same(struct csb__json_slice a, struct csb__json_slice b);
/* Whether a string says this (plain ASCII without quotes or backslashes). */
bool csb__json_is(struct csb__json_slice value, const char *text);

#endif
