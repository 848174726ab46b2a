/* SPDX-License-Identifier: MIT */
/* What an event of Claude's hooks says, in words: what the session does since, and with what. Pure. */
#ifndef CLI_EVENT_WORDS_H
#define CLI_EVENT_WORDS_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#define EVENT_TEXT_MAX 256

struct event_words {
    const char *name;    /* borrowed from the event, as session and tool are; never NULL */
    const char *session; /* NULL: none */
    const char *tool;    /* NULL: none */
    const char *state; /* "working", "waiting", "done", "failed", "started", "ended"; NULL: unknown */
    char text[EVENT_TEXT_MAX +
              4];       /* the command, the prompt, the message, ...; "" where there is none */
    const char *before; /* what is to be said before the tool or text */
    bool is_question;   /* the text is what Claude asks the user, not what the tool is to do */
    bool matters;       /* to a person: the others come with these, or say little */
};

/* event: what the hook was given; any JSON value. */
void event_words(const json_t *event, struct event_words *ret);

/* One line for a person, with the newline, whatever bytes are in it. when: as in the log, in UTC. */
void event_print(FILE *out, const char *when, const char *vm, const struct event_words *words);
/* A line of JSON; see claude-sandbox(1). -1: no memory. */
int event_print_json(FILE *out, const char *when, const char *vm, const struct event_words *words);

#endif
