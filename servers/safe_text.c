/* SPDX-License-Identifier: MIT */
#include "safe_text.h"

#include <stdbool.h>

/* How long the UTF-8 character at the start is; 0 where there is none. */
static size_t character_length(const unsigned char *p, size_t left) {
    size_t n = *p < 0x80                 ? 1
               : *p >= 0xc2 && *p < 0xe0 ? 2
               : *p >= 0xe0 && *p < 0xf0 ? 3
               : *p >= 0xf0 && *p < 0xf5 ? 4
                                         : 0;

    if (n > left) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    /* The same in more bytes than it needs, by which a control character could get through; the
     * halves of UTF-16; and what is beyond Unicode. */
    if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
        (*p == 0xf4 && p[1] > 0x8f)) {
        return 0;
    }
    return n;
}

/* Controls of both sets, and what turns the direction of text round. */
static bool is_dangerous(const unsigned char *p, size_t n) {
    return (n == 1 && ((*p < 0x20 && *p != '\t') || *p == 0x7f)) ||
           (n == 2 && p[0] == 0xc2 && p[1] < 0xa0) ||
           (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) ||
           (n == 3 && p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
}

/* Control characters are how a terminal is talked into things. */
void safe_text_put(FILE *out, const char *text, size_t len) {
    const unsigned char *p = (const unsigned char *)text;

    for (size_t i = 0; i < len;) {
        size_t n = character_length(p + i, len - i);

        if (n == 0 || is_dangerous(p + i, n)) {
            fputc('?', out);
        } else {
            fwrite(p + i, 1, n, out);
        }
        i += n ? n : 1;
    }
}
