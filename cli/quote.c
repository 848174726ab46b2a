/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* A word for a shell: as it is where that is safe, else between quotes. */
char *cli_quote(const char *text) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/._-+:@,%";
    char *out = malloc(strlen(text) * 4 + 3);
    char *p = out;

    if (!out || (*text && strspn(text, plain) == strlen(text))) {
        return out ? strcpy(out, text) : NULL;
    }
    *p++ = '\'';
    for (; *text; text++) {
        if (*text == '\'') {
            p = stpcpy(p, "'\\''");
        } else {
            *p++ = *text;
        }
    }
    *p++ = '\'';
    *p = '\0';
    return out;
}
