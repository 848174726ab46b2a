/* SPDX-License-Identifier: MIT */
/* What is to be shown on a desktop, of the events that the settings name. */
#ifndef NOTICE_H
#define NOTICE_H

#include <stdbool.h>

#include <claudesandbox.h>

#include "asked.h"
#include "config.h"

#define NOTICE_VM_MAX 64
#define NOTICE_TITLE_MAX 120
#define NOTICE_BODY_MAX 500

struct notice {
    char key[200]; /* a later one with the same key takes its place: the VM and the session */
    char vm[NOTICE_VM_MAX]; /* "" for our own */
    char title[NOTICE_TITLE_MAX];
    char body[NOTICE_BODY_MAX];
    char sound[CONFIG_SOUND_MAX]; /* a name of the desktop's own; "": none */
    int urgency;
    uint64_t question;         /* that a click on it may answer, see question.h; 0: none */
    bool can_ask;              /* a click could answer it */
    bool may_allow;            /* all that is asked for can be seen in it */
    char tool[ASKED_TOOL_MAX]; /* that is asked for */
    bool unless_focused;       /* not where the user looks at the VM's terminal */
};

/* Whether the event is worth a notice, and then which. Its text is clean: no control characters, valid
 * UTF-8, cut where it is too long. */
bool notice_for_event(const csb_event *event, const struct config *config, struct notice *ret);
/* Of the VM and the session that an event is of. */
void notice_key(const csb_event *event, char *key, size_t size);
/* One that shows that notices are shown. */
void notice_for_test(const struct config *config, struct notice *ret);

#endif
