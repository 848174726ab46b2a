/* SPDX-License-Identifier: MIT */
/* desktop_macos.c is the counterpart. */
#include <stdio.h>
#include <string.h>

#include "desktop.h"

/* Whether the server behind notify-send takes markup isn't known here; what it could take for such is
 * replaced by what looks like it. So is the backslash: notify-send makes a "<" of "\074". */
static void copy_plain(char *out, size_t size, const char *text) {
    size_t len = 0;

    for (; *text; text++) {
        const char *piece = *text == '<' ? "\xe2\x80\xb9" : *text == '>' ? "\xe2\x80\xba" : NULL;
        char one[2] = {*text, '\0'};

        if (*text == '&') {
            piece = "\xef\xbc\x86";
        } else if (*text == '\\') {
            piece = "\xef\xbc\xbc";
        }
        if (!piece) {
            piece = one;
        }
        if (len + strlen(piece) + 1 > size) {
            break;
        }
        memcpy(out + len, piece, strlen(piece));
        len += strlen(piece);
    }
    out[len] = '\0';
}

void desktop_argv(const struct notice *notice, struct desktop_texts *texts, const char **argv,
                  size_t max) {
    static const char *const urgencies[] = {"low", "normal", "critical"};
    size_t n = 0;

    (void)max;
    snprintf(texts->title, sizeof(texts->title), "%s", notice->title);
    copy_plain(texts->body, sizeof(texts->body), notice->body);
    snprintf(texts->words[0], sizeof(texts->words[0]), "%s%s",
             *notice->sound ? "string:sound-name:" : "boolean:suppress-sound:true", notice->sound);
    argv[n++] = "notify-send";
    argv[n++] = "-a";
    argv[n++] = "Claude";
    argv[n++] = "-u";
    argv[n++] = urgencies[notice->urgency];
    argv[n++] = "-h";
    argv[n++] = texts->words[0];
    argv[n++] = "-h";
    argv[n++] = "string:desktop-entry:claude-sandbox";
    argv[n++] = "--";
    argv[n++] = texts->title;
    argv[n++] = texts->body;
    argv[n] = NULL;
}
