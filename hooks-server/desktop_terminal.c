/* SPDX-License-Identifier: MIT */
/*
 * The last resort: the terminals in which somebody looks at the VM. We have none ourselves, but tmux
 * knows those of the sessions that the command line made. They get a bell, which most window managers
 * show somehow, and OSC 9, which some terminals show as a notification and all others swallow. tmux
 * has no command for either, so it is written past it: in one piece, of which nothing is drawn.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "desktop.h"
#include "focus.h"

#define PATIENCE_MS 3000

static struct child child = {.fd = -1};
static struct notice current;

static bool show(struct daemon *d, const struct notice *notice, uint32_t replaces) {
    char session[FOCUS_SESSION_MAX];
    const char *const of_vm[] = {"tmux", "list-clients",  "-t", session,
                                 "-F",   "#{client_tty}", NULL};
    const char *const all[] = {"tmux", "list-clients", "-F", "#{client_tty}", NULL};

    (void)d;
    (void)replaces;
    current = *notice;
    focus_session(notice->vm, session);
    return child_begin(&child, *notice->vm ? of_vm : all, PATIENCE_MS, true);
}

static bool busy(void) {
    return child.pid > 0;
}

/* Only a terminal of our own user's, and without waiting for it. */
static bool write_to(const char *path, const char *text, size_t len) {
    struct stat st;
    bool good = false;
    int fd = strncmp(path, "/dev/", 5) == 0
                 ? open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)
                 : -1;

    if (fd >= 0) {
        good = fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_uid == geteuid() && isatty(fd) &&
               write(fd, text, len) == (ssize_t)len;
        close(fd);
    }
    return good;
}

/* A notice's text has no control characters, which could end it before its end. */
static bool write_to_all(char *paths) {
    char text[NOTICE_TITLE_MAX + NOTICE_BODY_MAX + 16];
    int len = snprintf(text, sizeof(text), "\a\033]9;%s: %s\033\\", current.title, current.body);
    char *path;
    bool any = false;

    while ((path = strsep(&paths, "\n"))) {
        any = (*path && write_to(path, text, (size_t)len)) || any;
    }
    return any;
}

static int tick(struct daemon *d) {
    char paths[4096];
    int status = child.pid ? child_look(&child) : CHILD_RUNS;

    if (status != CHILD_RUNS) {
        child_read(&child, paths, sizeof(paths));
        child_end(&child);
        if (status == 0 && write_to_all(paths)) {
            desktop_shown(0);
        } else {
            desktop_failed(d, "there is no desktop, no program for it, and no terminal in tmux");
        }
    }
    return child_wait_ms(&child);
}

static void close_way(struct daemon *d) {
    (void)d;
    child_end(&child);
}

const struct desktop_way desktop_terminal = {
    .name = "terminal",
    .show = show,
    .busy = busy,
    .tick = tick,
    .close = close_way,
};
