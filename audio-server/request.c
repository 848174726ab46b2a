/* SPDX-License-Identifier: MIT */
#include "audio.h"

#include <string.h>

/* A plain number without sign, blanks or leading zeros, that is all of the word. */
static bool parse_number(const char *word, size_t len, int min, int max, int *ret) {
    int n = 0;

    if (len == 0 || len > 6 || (word[0] == '0' && len > 1)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (word[i] < '0' || word[i] > '9') {
            return false;
        }
        n = n * 10 + (word[i] - '0');
    }
    *ret = n;
    return n >= min && n <= max;
}

static bool take_number(const char **p, int min, int max, int *ret) {
    size_t len = strcspn(*p, " ");
    bool ok = parse_number(*p, len, min, max, ret) && (*p)[len] == ' ';

    *p += ok ? len + 1 : 0;
    return ok;
}

bool request_parse(const char *line, struct request *ret) {
    struct request r = {0, 0, false};
    int bits;

    if (strncmp(line, "rec ", 4) != 0) {
        return false;
    }
    line += 4;
    if (!take_number(&line, 8000, 48000, &r.rate) || !take_number(&line, 1, 2, &r.channels) ||
        !take_number(&line, 16, 16, &bits)) {
        return false;
    }
    r.silence = strcmp(line, "signed silence") == 0;
    if (!r.silence && strcmp(line, "signed") != 0) {
        return false;
    }
    *ret = r;
    return true;
}
