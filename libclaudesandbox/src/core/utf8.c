/* SPDX-License-Identifier: MIT */
#include "core/utf8.h"

#include <string.h>

static bool are_tails(const unsigned char *p, size_t n) {
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return false;
        }
    }
    return true;
}

size_t csb__utf8_length(const char *text, size_t left) {
    const unsigned char *p = (const unsigned char *)text;
    size_t n;

    if (left == 0) {
        return 0;
    }
    n = *p < 0x80                 ? 1
        : *p >= 0xc2 && *p < 0xe0 ? 2
        : *p >= 0xe0 && *p < 0xf0 ? 3
        : *p >= 0xf0 && *p < 0xf5 ? 4
                                  : 0;
    if (n == 0 || n > left || !are_tails(p, n)) {
        return 0;
    }
    if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
        (*p == 0xf4 && p[1] > 0x8f)) {
        return 0;
    }
    return n;
}

void csb__utf8_add(struct csb__strbuf *out, unsigned code) {
    char bytes[4];
    size_t n;

    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        code = 0xfffd;
    }
    if (code < 0x80) {
        n = 1;
        bytes[0] = (char)code;
    } else if (code < 0x800) {
        n = 2;
        bytes[0] = (char)(0xc0 | code >> 6);
    } else if (code < 0x10000) {
        n = 3;
        bytes[0] = (char)(0xe0 | code >> 12);
    } else {
        n = 4;
        bytes[0] = (char)(0xf0 | code >> 18);
    }
    for (size_t i = 1; i < n; i++) {
        bytes[i] = (char)(0x80 | (code >> (6 * (n - 1 - i)) & 0x3f));
    }
    csb__strbuf_add(out, bytes, n);
}

/* As csb__utf8_length(), and 0 for a control character of either set. */
static size_t tame_length(const char *text, size_t left) {
    const unsigned char *p = (const unsigned char *)text;
    size_t n = csb__utf8_length(text, left);

    return n > 0 && (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0)) ? 0 : n;
}

bool csb__utf8_is_tame(const char *text) {
    size_t left = strlen(text);

    for (size_t n; left > 0; text += n, left -= n) {
        n = tame_length(text, left);
        if (n == 0) {
            return false;
        }
    }
    return true;
}

void csb__utf8_tame(char *text) {
    for (size_t left = strlen(text), n; left > 0; text += n, left -= n) {
        n = tame_length(text, left);
        if (n == 0) {
            *text = '?';
            n = 1;
        }
    }
}
