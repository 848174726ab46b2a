/* SPDX-License-Identifier: MIT */
/* desktop_linux.c is the counterpart. */
#include <stdio.h>

#include "desktop.h"

/* The texts are arguments and never source: AppleScript knows no escape for most characters, and what
 * a guest says must not become a script. The title begins with a letter, so it is no option. */
void desktop_argv(const struct notice *notice, struct desktop_texts *texts, const char **argv,
                  size_t max) {
    size_t n = 0;

    (void)max;
    snprintf(texts->title, sizeof(texts->title), "%s", notice->title);
    snprintf(texts->body, sizeof(texts->body), "%s", notice->body);
    snprintf(texts->words[0], sizeof(texts->words[0]), "%s", notice->sound);
    argv[n++] = "osascript";
    argv[n++] = "-e";
    argv[n++] = "on run argv";
    argv[n++] = "-e";
    argv[n++] = *notice->sound
                    ? "display notification (item 2 of argv) with title (item 1 of argv) "
                      "sound name (item 3 of argv)"
                    : "display notification (item 2 of argv) with title (item 1 of argv)";
    argv[n++] = "-e";
    argv[n++] = "end run";
    argv[n++] = texts->title;
    argv[n++] = texts->body;
    argv[n++] = texts->words[0];
    argv[n] = NULL;
}
