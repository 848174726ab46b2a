/* SPDX-License-Identifier: MIT */
/* What the user may set, and what holds without a word of his. Pure; config_file.c has the file. */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As org.freedesktop.Notifications has it. */
enum { URGENCY_LOW = 0, URGENCY_NORMAL = 1, URGENCY_CRITICAL = 2 };

/* Those that can be shown; in the order of their names. */
enum config_event_id {
    EVENT_ELICITATION,
    EVENT_NOTIFICATION,
    EVENT_PERMISSION_REQUEST,
    EVENT_SESSION_END,
    EVENT_SESSION_START,
    EVENT_STOP,
    EVENT_STOP_FAILURE,
    EVENT_SUBAGENT_STOP,
    EVENT_TASK_COMPLETED,
    N_EVENTS
};

#define CONFIG_SOUND_MAX 64

struct config_event {
    bool notify;
    int urgency;
    char sound[CONFIG_SOUND_MAX]; /* a name of the desktop's own; "": none */
};

struct config {
    struct config_event events[N_EVENTS];
    int quiet_from; /* minutes of the user's day; -1: never quiet */
    int quiet_to;
    bool quiet_critical; /* what is critical is shown all the same */
    bool unless_focused;
    bool answer;
    bool log_bodies;
    size_t log_field; /* bytes of a string */
    int64_t log_size; /* bytes of a file */
    int log_files;
};

void config_defaults(struct config *ret);
/* Settings as YAML, which need not end in NUL: what it does not mention is as by default. False when it
 * can't be followed, with one sentence that names the line, in `why`; then *ret is as it was. */
bool config_parse(const char *text, size_t len, struct config *ret, char *why, size_t size);
/* Whether at that minute of the day something so urgent is not to be shown. */
bool config_is_quiet(const struct config *config, int minute, int urgency);
/* Which event has that name; -1 for one that is never shown. */
int config_find_event(const char *name);

#endif
