/* SPDX-License-Identifier: MIT */
/* What is to be shown on a desktop, and which events are: the policy. */
#ifndef NOTICE_H
#define NOTICE_H

#include <stdbool.h>

#include <claudesandbox.h>

/* As org.freedesktop.Notifications has it. */
enum { URGENCY_LOW = 0, URGENCY_NORMAL = 1, URGENCY_CRITICAL = 2 };

#define NOTICE_TITLE_MAX 120
#define NOTICE_BODY_MAX 500

struct notice {
    char key[200]; /* a later one with the same key takes its place: the VM and the session */
    char title[NOTICE_TITLE_MAX];
    char body[NOTICE_BODY_MAX];
    const char *sound; /* a name of the desktop's own; static */
    int urgency;
};

/* Whether the event is worth a notice, and then which. Its text is clean: no control characters, valid
 * UTF-8, cut where it is too long. */
bool notice_for_event(const csb_event *event, struct notice *ret);
/* One that shows that notices are shown. */
void notice_for_test(struct notice *ret);

#endif
