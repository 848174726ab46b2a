/* SPDX-License-Identifier: MIT */
#include "shorten.h"

#include <stdbool.h>
#include <stdio.h>
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

/* Whether there is an escape of half a character: of the first half (d8), or of the second (dc). */
static bool is_half(const char *p, char from) {
    return p[0] == '\\' && p[1] == 'u' && (p[2] | 0x20) == 'd' &&
           (from == '8' ? strchr("89abAB", p[3]) : strchr("cdefCDEF", p[3])) != NULL;
}

/* What of a string must stay together: an escape, two that make one character, or a character. */
static size_t unit_length(const char *p) {
    size_t n = 1;

    if (is_half(p, '8') && is_half(p + 6, 'c')) {
        return 12;
    }
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

/* 0 for what may stand in a file that somebody reads on a terminal; else what it is. JSON has escaped
 * the other control characters already. */
static unsigned dangerous(const char *text, size_t n) {
    const unsigned char *p = (const unsigned char *)text;
    unsigned code = n == 1   ? *p
                    : n == 2 ? (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu)
                    : n == 3 ? (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu)
                             : 0;

    return (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e) ||
                   (code >= 0x2066 && code <= 0x2069)
               ? code
               : 0;
}

static void put_unit(struct text *t, const char *p, size_t n) {
    unsigned code = *p == '\\' ? 0 : dangerous(p, n);
    char escape[8];

    /* A half that is alone is no character: JSON's readers may refuse it. */
    if (n == 6 && (is_half(p, '8') || is_half(p, 'c'))) {
        code = 0xfffd;
    }
    if (code) {
        snprintf(escape, sizeof(escape), "\\u%04x", code & 0xffff);
    }
    put(t, code ? escape : p, code ? 6 : n);
}

/* The quote that ends the string which p, the start of a unit, is in. */
static const char *closing_quote(const char *p, const char *end) {
    for (const char *from = p;; from++) {
        const char *before;

        from = memchr(from, '"', (size_t)(end - from));
        if (!from) {
            return end - 1; /* never, in JSON */
        }
        for (before = from; before > p && before[-1] == '\\'; before--) {
        }
        if ((from - before) % 2 == 0) {
            return from;
        }
    }
}

/* From the opening quote to behind the closing one. */
static const char *put_string(struct text *t, const char *p, const char *end, size_t max) {
    const char *start = p++;

    put(t, start, 1);
    while (*p != '"') {
        size_t n = unit_length(p);

        if ((size_t)(p + n - start - 1) > max) {
            put(t, DOTS, strlen(DOTS));
            p = closing_quote(p, end);
            break;
        }
        put_unit(t, p, n);
        p += n;
    }
    put(t, "\"", 1);
    return p + 1;
}

size_t shorten_json(const char *json, size_t len, size_t string_max, char *out, size_t size) {
    struct text t = {out, 0, size, size == 0};
    const char *end = json + len;

    for (const char *p = json; p < end && !t.full;) {
        if (*p == '"') {
            p = put_string(&t, p, end, string_max);
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
