/* SPDX-License-Identifier: MIT */
#include "core/json_scan.h"

#include <string.h>

#include "core/utf8.h"

#define BLOCK 32

struct scan {
    const char *p;
    const char *end;
    unsigned char is_object[CSB__JSON_DEPTH_MAX / 8]; /* a bit for each container that is open */
};

static void set_object(struct scan *s, size_t depth, bool object) {
    unsigned char bit = (unsigned char)(1U << depth % 8);

    s->is_object[depth / 8] = (unsigned char)(object ? s->is_object[depth / 8] | bit
                                                     : s->is_object[depth / 8] & ~bit);
}

static bool get_object(const struct scan *s, size_t depth) {
    return s->is_object[depth / 8] >> depth % 8 & 1;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* NUL, which no rule allows, at the end. */
static char peek(const struct scan *s) {
    return s->p < s->end ? *s->p : '\0';
}

static void skip_space(struct scan *s) {
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r')) {
        s->p++;
    }
}

static bool take(struct scan *s, char c) {
    if (peek(s) != c) {
        return false;
    }
    s->p++;
    return true;
}

static bool take_word(struct scan *s, const char *word) {
    size_t n = strlen(word);

    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0) {
        return false;
    }
    s->p += n;
    return true;
}

static int hex_value(char c) {
    return is_digit(c)            ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Four hex digits; -1 where they are not. */
static int hex4(const char *p, size_t left) {
    int value = 0;

    if (left < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(p[i]);

        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* Behind a backslash. */
static bool take_escape(struct scan *s) {
    char c = peek(s);

    if (c == '\0' || !strchr("\"\\/bfnrtu", c)) {
        return false;
    }
    s->p++;
    if (c == 'u') {
        if (hex4(s->p, (size_t)(s->end - s->p)) < 0) {
            return false;
        }
        s->p += 4;
    }
    return true;
}

/* Steps over what stands for itself, a block at a time: events are long strings, mostly. The inner
 * loop is so simple that compilers make a few vector instructions of it. */
static void skip_plain(struct scan *s) {
    while (s->end - s->p >= BLOCK) {
        unsigned char odd = 0;

        for (int i = 0; i < BLOCK; i++) {
            unsigned char c = (unsigned char)s->p[i];

            odd |= (unsigned char)((c < 0x20) | (c >= 0x80) | (c == '"') | (c == '\\'));
        }
        if (odd) {
            return;
        }
        s->p += BLOCK;
    }
}

static bool take_string(struct scan *s) {
    if (!take(s, '"')) {
        return false;
    }
    while (s->p < s->end) {
        unsigned char c;
        size_t n;

        skip_plain(s);
        c = (unsigned char)peek(s);
        if (c == '"') {
            s->p++;
            return true;
        }
        if (c == '\\') {
            s->p++;
            if (!take_escape(s)) {
                return false;
            }
            continue;
        }
        n = c < 0x20 ? 0 : c < 0x80 ? 1 : csb__utf8_length(s->p, (size_t)(s->end - s->p));
        if (n == 0) {
            return false;
        }
        s->p += n;
    }
    return false;
}

static bool take_digits(struct scan *s) {
    const char *start = s->p;

    while (is_digit(peek(s))) {
        s->p++;
    }
    return s->p > start;
}

static bool take_number(struct scan *s) {
    take(s, '-');
    if (!take(s, '0') && !take_digits(s)) {
        return false;
    }
    if (take(s, '.') && !take_digits(s)) {
        return false;
    }
    if (take(s, 'e') || take(s, 'E')) {
        if (!take(s, '+')) {
            take(s, '-');
        }
        return take_digits(s);
    }
    return true;
}

static bool take_scalar(struct scan *s) {
    switch (peek(s)) {
    case '"':
        return take_string(s);
    case 't':
        return take_word(s, "true");
    case 'f':
        return take_word(s, "false");
    case 'n':
        return take_word(s, "null");
    default:
        return take_number(s);
    }
}

static bool take_key(struct scan *s) {
    skip_space(s);
    if (!take_string(s)) {
        return false;
    }
    skip_space(s);
    return take(s, ':');
}

/* Behind a value: closes what ends there. True when another value follows, or none is open. */
static bool close_containers(struct scan *s, size_t *depth) {
    while (*depth > 0) {
        bool object = get_object(s, *depth - 1);

        skip_space(s);
        if (take(s, ',')) {
            return !object || take_key(s);
        }
        if (!take(s, object ? '}' : ']')) {
            return false;
        }
        (*depth)--;
    }
    return true;
}

/* At a brace or bracket. *empty: it closes again at once, and is a value like any other. */
static bool open_container(struct scan *s, size_t *depth, bool *empty) {
    bool object = peek(s) == '{';

    if (*depth == CSB__JSON_DEPTH_MAX) {
        return false;
    }
    s->p++;
    skip_space(s);
    *empty = take(s, object ? '}' : ']');
    if (*empty) {
        return true;
    }
    set_object(s, (*depth)++, object);
    return !object || take_key(s);
}

/* Any value, without recursion: how deep it is must not matter to our stack. */
static bool take_value(struct scan *s) {
    size_t depth = 0;

    do {
        bool whole = true;

        skip_space(s);
        if (peek(s) == '{' || peek(s) == '[') {
            if (!open_container(s, &depth, &whole)) {
                return false;
            }
        } else if (!take_scalar(s)) {
            return false;
        }
        if (whole && !close_containers(s, &depth)) {
            return false;
        }
    } while (depth > 0);
    return true;
}

static bool take_member(struct scan *s, csb__json_member_fn fn, void *userdata) {
    struct csb__json_slice key;
    struct csb__json_slice value;

    skip_space(s);
    key.text = s->p;
    if (!take_string(s)) {
        return false;
    }
    key.len = (size_t)(s->p - key.text);
    skip_space(s);
    if (!take(s, ':')) {
        return false;
    }
    skip_space(s);
    value.text = s->p;
    if (!take_value(s)) {
        return false;
    }
    value.len = (size_t)(s->p - value.text);
    return !fn || fn(key, value, userdata);
}

bool csb__json_scan(const char *text, size_t len, csb__json_member_fn fn, void *userdata) {
    struct scan s = {.p = text, .end = text + len};

    skip_space(&s);
    if (!take(&s, '{')) {
        return false;
    }
    skip_space(&s);
    if (!take(&s, '}')) {
        do {
            if (!take_member(&s, fn, userdata)) {
                return false;
            }
            skip_space(&s);
        } while (take(&s, ','));
        if (!take(&s, '}')) {
            return false;
        }
    }
    skip_space(&s);
    return s.p == s.end;
}

/* \uXXXX at p, with the half that belongs to it. How many bytes that was. */
static size_t decode_unicode(struct csb__strbuf *out, const char *p, size_t left) {
    unsigned code = (unsigned)hex4(p + 2, left - 2);

    if (code >= 0xd800 && code <= 0xdbff && left >= 12 && p[6] == '\\' && p[7] == 'u') {
        unsigned low = (unsigned)hex4(p + 8, left - 8);

        if (low >= 0xdc00 && low <= 0xdfff) {
            csb__utf8_add(out, 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
            return 12;
        }
    }
    csb__utf8_add(out, code);
    return 6;
}

static size_t decode_escape(struct csb__strbuf *out, const char *p, size_t left) {
    static const char names[] = "bfnrt";
    static const char bytes[] = "\b\f\n\r\t";
    const char *found = strchr(names, p[1]);

    if (p[1] == 'u') {
        return decode_unicode(out, p, left);
    }
    csb__strbuf_add(out, found ? &bytes[found - names] : &p[1], 1);
    return 2;
}

char *csb__json_decode(struct csb__json_slice value) {
    CSB__AUTOSTRBUF out = CSB__STRBUF_INIT;
    const char *p = value.text + 1;
    const char *end = value.text + value.len - 1;

    if (value.len < 2 || *value.text != '"') {
        return NULL;
    }
    while (p < end) {
        size_t n = 0;

        while (p + n < end && p[n] != '\\') {
            n++;
        }
        csb__strbuf_add(&out, p, n);
        p += n;
        if (p < end) {
            p += decode_escape(&out, p, (size_t)(end - p));
        }
    }
    return csb__strbuf_detach(&out);
}

bool csb__json_same(struct csb__json_slice a, struct csb__json_slice b) {
    CSB__AUTOFREE char *x = NULL;
    CSB__AUTOFREE char *y = NULL;

    if (!memchr(a.text, '\\', a.len) && !memchr(b.text, '\\', b.len)) {
        return a.len == b.len && memcmp(a.text, b.text, a.len) == 0;
    }
    x = csb__json_decode(a);
    y = csb__json_decode(b);
    return x && y && strcmp(x, y) == 0;
}

bool csb__json_is(struct csb__json_slice value, const char *text) {
    CSB__AUTOFREE char *decoded = NULL;
    size_t n = strlen(text);

    if (!memchr(value.text, '\\', value.len)) {
        return value.len == n + 2 && *value.text == '"' && memcmp(value.text + 1, text, n) == 0;
    }
    decoded = csb__json_decode(value);
    return decoded && strcmp(decoded, text) == 0;
}
