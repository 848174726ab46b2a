/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "programs.h"
#include "tmux.h"

#define ASK_MS 3000

/* One line of tmux's answer, without its end. */
static bool ask(const char *const *argv, char *out, size_t size) {
    bool good = cli_ask(argv, ASK_MS, out, size) == 0;

    out[strcspn(out, "\n")] = '\0';
    return good;
}

static bool ask_format(const struct tmux_window *w, const char *target, const char *format,
                       char *out, size_t size) {
    const char *const argv[] = {w->tmux, "display-message", "-p", "-t", target, format, NULL};

    return ask(argv, out, size);
}

/* The window's own; an empty line when it has none. */
static bool ask_automatic(struct tmux_window *w) {
    const char *const argv[] = {w->tmux, "show-options",     "-wqv", "-t",
                                w->id,   "automatic-rename", NULL};

    return ask(argv, w->automatic, sizeof(w->automatic));
}

static bool rename_window(const struct tmux_window *w, const char *name) {
    const char *const argv[] = {w->tmux, "rename-window", "-t", w->id, "--", name, NULL};
    char answer[64];

    return ask(argv, answer, sizeof(answer));
}

/* The name may have been given by anybody, and tmux takes it for a format: one that runs programs if
 * it says so. What is doubled stands for itself. */
static void escape(const char *name, char *out, size_t size) {
    size_t len = 0;

    for (; *name && len + 3 < size; name++) {
        if (*name == '#') {
            out[len++] = '#';
        }
        out[len++] = *name;
    }
    out[len] = '\0';
}

void cli_tmux_name_window(const char *vm, struct tmux_window *w) {
    const char *pane = getenv("TMUX_PANE");

    *w = (struct tmux_window){.tmux = pane && *pane ? cli_find_program("tmux") : NULL};
    if (!w->tmux) {
        return;
    }
    snprintf(w->vm, sizeof(w->vm), "%s", vm);
    if (!ask_format(w, pane, "#{window_id}", w->id, sizeof(w->id)) || w->id[0] != '@' ||
        !ask_format(w, pane, "#{window_name}", w->name, sizeof(w->name)) || !ask_automatic(w) ||
        !rename_window(w, vm)) {
        free(w->tmux);
        w->tmux = NULL;
    }
}

/* Renaming a window by hand has switched this off for it. */
static void restore_automatic(const struct tmux_window *w) {
    const char *const unset[] = {w->tmux, "set-option",       "-wu", "-t",
                                 w->id,   "automatic-rename", NULL};
    const char *const set[] = {w->tmux, "set-option",       "-w",         "-t",
                               w->id,   "automatic-rename", w->automatic, NULL};
    char answer[64];

    (void)ask(*w->automatic ? set : unset, answer, sizeof(answer));
}

void cli_tmux_restore_window(struct tmux_window *w) {
    char now[256];
    char name[2 * sizeof(w->name) + 4];

    if (w->tmux && ask_format(w, w->id, "#{window_name}", now, sizeof(now)) &&
        strcmp(now, w->vm) == 0) {
        escape(w->name, name, sizeof(name));
        (void)rename_window(w, name);
        restore_automatic(w);
    }
    free(w->tmux);
    w->tmux = NULL;
}
