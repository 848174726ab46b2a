/* SPDX-License-Identifier: MIT */
#include "focus.h"

#include <stdio.h>
#include <string.h>

#include "child.h"

#define PATIENCE_MS 3000

static struct child child = {.fd = -1};

/* As the command line names its sessions. "=" means this very name. */
void focus_session(const char *vm, char session[FOCUS_SESSION_MAX]) {
    snprintf(session, FOCUS_SESSION_MAX, "=%s", vm);
    for (char *c = session; *c; c++) {
        *c = *c == '.' ? '_' : *c;
    }
}

bool focus_ask(const char *vm) {
    char target[FOCUS_SESSION_MAX];
    const char *const argv[] = {
        "tmux", "list-clients", "-t", target, "-F", "#{focus-events} #{client_flags}", NULL};

    child_end(&child);
    focus_session(vm, target);
    return child_begin(&child, argv, PATIENCE_MS, true);
}

/* "1 attached,focused,UTF-8". Without focus-events all clients count as focused. */
static bool is_focused(const char *line) {
    const char *flag = strncmp(line, "1 ", 2) == 0 || strncmp(line, "on ", 3) == 0
                           ? strstr(line, "focused")
                           : NULL;

    return flag && strchr(" ,", flag[-1]) && strchr(",", flag[strlen("focused")]);
}

int focus_answer(void) {
    char text[4096];
    char *rest = text;
    char *line;
    bool here = false;
    int status = child_look(&child);

    if (status == CHILD_RUNS) {
        return FOCUS_UNKNOWN_YET;
    }
    child_read(&child, text, sizeof(text));
    child_end(&child);
    while (status == 0 && (line = strsep(&rest, "\n"))) {
        here = here || is_focused(line);
    }
    return here ? FOCUS_HERE : FOCUS_ELSEWHERE;
}

int focus_wait_ms(void) {
    return child_wait_ms(&child);
}

void focus_close(void) {
    child_end(&child);
}
