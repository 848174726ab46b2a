/* SPDX-License-Identifier: MIT */
#ifndef CSB_CORE_STRBUF_H
#define CSB_CORE_STRBUF_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

/* Growing bytes, always followed by a NUL. Failure sticks: append at will, ask once at the end. */
struct csb__strbuf {
    char *data;
    size_t len;
    size_t cap;
    bool failed;
};

#define CSB__STRBUF_INIT                                                                           \
    { NULL, 0, 0, false }

void csb__strbuf_add(struct csb__strbuf *sb, const void *bytes, size_t len);
void csb__strbuf_puts(struct csb__strbuf *sb, const char *text);
void csb__strbuf_printf(struct csb__strbuf *sb, const char *fmt, ...) CSB__PRINTF(2, 3);
/* Drops bytes from the front so that at most `max` stay. */
void csb__strbuf_keep_tail(struct csb__strbuf *sb, size_t max);
/* The text, "" when empty. */
const char *csb__strbuf_text(const struct csb__strbuf *sb);
/* The last line that says something, "" when none does; cuts off the blank ones behind it. */
const char *csb__strbuf_last_line(struct csb__strbuf *sb);
/* Hands the text to the caller; NULL when memory ran out. */
char *csb__strbuf_detach(struct csb__strbuf *sb);
void csb__strbuf_free(struct csb__strbuf *sb);

#define CSB__AUTOSTRBUF CSB__CLEANUP(csb__strbuf_free) struct csb__strbuf

/* A NULL-terminated vector of owned strings, with the same stickiness: for argument lists. */
struct csb__strv {
    char **items;
    size_t len;
    size_t cap;
    bool failed;
};

#define CSB__STRV_INIT                                                                             \
    { NULL, 0, 0, false }

void csb__strv_add(struct csb__strv *sv, const char *text);
void csb__strv_addf(struct csb__strv *sv, const char *fmt, ...) CSB__PRINTF(2, 3);
/* Adds all, up to a NULL. */
void csb__strv_add_all(struct csb__strv *sv, const char *const *texts);
const char *const *csb__strv_items(const struct csb__strv *sv);
void csb__strv_free(struct csb__strv *sv);

#define CSB__AUTOSTRV CSB__CLEANUP(csb__strv_free) struct csb__strv

#endif
