/* SPDX-License-Identifier: MIT */
#include "shorten.h"

#include <stdbool.h>
#include <string.h>

#define DOTS "..."

size_t shorten_utf8(const char *text, size_t max) {
    size_t len = strnlen(text, max + 1);

    if (len <= max) {
        return len;
    }
    while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80) {
        max--;
    }
    return max;
}

/* What of a string must stay together: an escape, or a character. */
static size_t unit_length(const char *p) {
    size_t n = 1;

    if (*p == '\\') {
        return p[1] == 'u' ? 6 : 2;
    }
    while (((unsigned char)p[n] & 0xc0) == 0x80) {
        n++;
    }
    return n;
}

struct text {
    char *out;
    size_t len;
    size_t size;
    bool full;
};

static void put(struct text *t, const char *bytes, size_t n) {
    if (t->full || n >= t->size - t->len) {
        t->full = true;
        return;
    }
    memcpy(t->out + t->len, bytes, n);
    t->len += n;
}

/* From the opening quote to behind the closing one. */
static const char *put_string(struct text *t, const char *p, size_t max) {
    const char *start = p++;
    const char *keep_end = NULL;

    while (*p != '"') {
        size_t n = unit_length(p);

        if (!keep_end && (size_t)(p + n - start - 1) > max) {
            keep_end = p;
        }
        p += n;
    }
    put(t, start, (size_t)((keep_end ? keep_end : p) - start));
    put(t, keep_end ? DOTS "\"" : "\"", keep_end ? sizeof(DOTS) : 1);
    return p + 1;
}

size_t shorten_json(const char *json, size_t len, size_t string_max, char *out, size_t size) {
    struct text t = {out, 0, size, size == 0};
    const char *end = json + len;

    for (const char *p = json; p < end && !t.full;) {
        if (*p == '"') {
            p = put_string(&t, p, string_max);
        } else {
            if (!strchr(" \t\r\n", *p)) {
                put(&t, p, 1);
            }
            p++;
        }
    }
    if (t.full) {
        return 0;
    }
    out[t.len] = '\0';
    return t.len;
}
