/* SPDX-License-Identifier: MIT */
#include "core/strbuf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static bool reserve(struct csb__strbuf *sb, size_t more) {
    size_t cap = sb->cap ? sb->cap : 64;
    char *data;

    if (sb->failed || more > SIZE_MAX / 2 - sb->len - 1) {
        sb->failed = true;
        return false;
    }
    if (sb->len + more + 1 <= sb->cap) {
        return true;
    }
    while (cap < sb->len + more + 1) {
        cap *= 2;
    }
    data = realloc(sb->data, cap);
    if (!data) {
        sb->failed = true;
        return false;
    }
    sb->data = data;
    sb->cap = cap;
    return true;
}

void csb__strbuf_add(struct csb__strbuf *sb, const void *bytes, size_t len) {
    if (!reserve(sb, len)) {
        return;
    }
    if (len > 0) {
        memcpy(sb->data + sb->len, bytes, len);
    }
    sb->len += len;
    sb->data[sb->len] = '\0';
}

void csb__strbuf_puts(struct csb__strbuf *sb, const char *text) {
    csb__strbuf_add(sb, text, strlen(text));
}

void csb__strbuf_printf(struct csb__strbuf *sb, const char *fmt, ...) {
    char *text = NULL;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0) {
        sb->failed = true;
        return;
    }
    csb__strbuf_add(sb, text, (size_t)n);
    free(text);
}

void csb__strbuf_keep_tail(struct csb__strbuf *sb, size_t max) {
    if (sb->len > max) {
        memmove(sb->data, sb->data + sb->len - max, max);
        sb->len = max;
        sb->data[max] = '\0';
    }
}

const char *csb__strbuf_text(const struct csb__strbuf *sb) {
    return sb->data ? sb->data : "";
}

const char *csb__strbuf_last_line(struct csb__strbuf *sb) {
    char *nl;

    while (sb->len > 0 && strchr("\r\n ", sb->data[sb->len - 1])) {
        sb->data[--sb->len] = '\0';
    }
    nl = sb->len ? strrchr(sb->data, '\n') : NULL;
    return nl ? nl + 1 : csb__strbuf_text(sb);
}

char *csb__strbuf_detach(struct csb__strbuf *sb) {
    char *text;

    csb__strbuf_add(sb, "", 0);
    text = sb->failed ? NULL : sb->data;
    if (!text) {
        free(sb->data);
    }
    *sb = (struct csb__strbuf)CSB__STRBUF_INIT;
    return text;
}

void csb__strbuf_free(struct csb__strbuf *sb) {
    free(sb->data);
    *sb = (struct csb__strbuf)CSB__STRBUF_INIT;
}

/* Takes ownership of text, which may be NULL for "no memory". */
static void strv_take(struct csb__strv *sv, char *text) {
    if (text && !sv->failed && sv->len + 2 > sv->cap) {
        size_t cap = sv->cap ? sv->cap * 2 : 16;
        char **items = realloc(sv->items, cap * sizeof(*items));

        if (items) {
            sv->items = items;
            sv->cap = cap;
        } else {
            sv->failed = true;
        }
    }
    if (!text || sv->failed) {
        sv->failed = true;
        free(text);
        return;
    }
    sv->items[sv->len++] = text;
    sv->items[sv->len] = NULL;
}

void csb__strv_add(struct csb__strv *sv, const char *text) {
    strv_take(sv, strdup(text));
}

void csb__strv_addf(struct csb__strv *sv, const char *fmt, ...) {
    char *text = NULL;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&text, fmt, ap);
    va_end(ap);
    strv_take(sv, n < 0 ? NULL : text);
}

void csb__strv_add_all(struct csb__strv *sv, const char *const *texts) {
    for (; texts && *texts; texts++) {
        csb__strv_add(sv, *texts);
    }
}

const char *const *csb__strv_items(const struct csb__strv *sv) {
    static const char *const none[] = {NULL};

    return sv->items ? (const char *const *)sv->items : none;
}

void csb__strv_free(struct csb__strv *sv) {
    for (size_t i = 0; i < sv->len; i++) {
        free(sv->items[i]);
    }
    free(sv->items);
    *sv = (struct csb__strv)CSB__STRV_INIT;
}
