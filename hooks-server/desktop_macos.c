/* SPDX-License-Identifier: MIT */
/* desktop_linux.c is the counterpart. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "desktop.h"

/* Whether it can be run. */
static bool is_installed(const char *program) {
    const char *path = getenv("PATH");
    char *dirs = path ? strdup(path) : NULL;
    char *rest = dirs;
    char *dir;
    bool found = false;

    while (!found && rest && (dir = strsep(&rest, ":"))) {
        char whole[1024];

        found = *dir &&
                snprintf(whole, sizeof(whole), "%s/%s", dir, program) < (int)sizeof(whole) &&
                access(whole, X_OK) == 0;
    }
    free(dirs);
    return found;
}

/* alerter and terminal-notifier take a text that begins with a bracket for a list, and one with a dash
 * for an option: a blank of no width is neither. alerter stays until it is answered, or for so long; it
 * gets no buttons, for nothing could take them back when Claude has got its answer elsewhere. */
static void use_notifier(const struct notice *notice, struct desktop_texts *texts,
                         const char **argv, bool is_alerter) {
    size_t n = 0;

    snprintf(texts->body, sizeof(texts->body), "\xe2\x80\x8b%s", notice->body);
    argv[n++] = is_alerter ? "alerter" : "terminal-notifier";
    argv[n++] = "-title";
    argv[n++] = texts->title;
    argv[n++] = "-message";
    argv[n++] = texts->body;
    if (*notice->sound) {
        argv[n++] = "-sound";
        argv[n++] = texts->words[0];
    }
    if (is_alerter) {
        argv[n++] = "-timeout";
        argv[n++] = "5";
    }
    argv[n] = NULL;
}

/* The texts are arguments and never source: AppleScript knows no escape for most characters, and what
 * a guest says must not become a script. The title begins with a letter, so it is no option. */
void desktop_argv(const struct notice *notice, struct desktop_texts *texts, const char **argv,
                  size_t max) {
    size_t n = 0;

    (void)max;
    snprintf(texts->title, sizeof(texts->title), "%s", notice->title);
    snprintf(texts->body, sizeof(texts->body), "%s", notice->body);
    snprintf(texts->words[0], sizeof(texts->words[0]), "%s", notice->sound);
    if (is_installed("alerter") || is_installed("terminal-notifier")) {
        use_notifier(notice, texts, argv, is_installed("alerter"));
        return;
    }
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
