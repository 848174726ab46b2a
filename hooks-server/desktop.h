/* SPDX-License-Identifier: MIT */
/* Shows notices, one after another: never more than one notifier at work. */
#ifndef DESKTOP_H
#define DESKTOP_H

#include <stdint.h>

#include "daemon.h"
#include "notice.h"

/* A way to show one. Tried in order, until one has. */
struct desktop_way {
    const char *name;
    /* Begins to show it; true when it has, and then busy() until it is done. replaces: the number that
     * an earlier notice of the same key got, or 0. False: another way may be able to. */
    bool (*show)(struct daemon *d, const struct notice *notice, uint32_t replaces);
    bool (*busy)(void);
    /* Called before each wait: in how many milliseconds again at the latest, or -1. */
    int (*tick)(struct daemon *d);
    void (*close)(struct daemon *d);
    /* Takes it from the screen. NULL where that can't be, and then a question can't be asked, either. */
    void (*withdraw)(uint32_t id);
};

extern const struct desktop_way desktop_bus;
extern const struct desktop_way desktop_command;
extern const struct desktop_way desktop_terminal;

void desktop_post(struct daemon *d, const struct notice *notice);
/* What asks that question is not to be shown any more; id: under which it is, or 0. */
void desktop_withdraw(uint64_t question, uint32_t id);
int desktop_tick(struct daemon *d);
void desktop_close(struct daemon *d);
void desktop_report(struct daemon_report *r);

/* For the ways: the number under which the present notice can be replaced; that those before mean
 * nothing any more; or why it was not shown. */
void desktop_shown(uint32_t id);
void desktop_forget_shown(void);
void desktop_failed(struct daemon *d, const char *why);

/* desktop_linux.c, desktop_macos.c: the arguments of a notifier, at most `max` with the NULL. `texts`
 * holds what was made for them. */
struct desktop_texts {
    char title[2 * NOTICE_TITLE_MAX];
    char body[4 * NOTICE_BODY_MAX];
    char words[3][CONFIG_SOUND_MAX + 32];
};
void desktop_argv(const struct notice *notice, struct desktop_texts *texts, const char **argv,
                  size_t max);

#endif
