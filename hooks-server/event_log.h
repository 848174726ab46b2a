/* SPDX-License-Identifier: MIT */
/* What happened, in files that people and programs read later: a JSON object on each line. */
#ifndef EVENT_LOG_H
#define EVENT_LOG_H

#include <claudesandbox.h>

#include "daemon.h"

struct event_log {
    char *dir;
    int fd; /* -1: none open */
    char day[16];
    int64_t size;
    int64_t max; /* of a file; then it is put aside, in place of the last one that was */
    int last_errno;
};

int event_log_open(struct event_log *log, struct daemon *d);
void event_log_close(struct event_log *log);
void event_log_add(struct event_log *log, struct daemon *d, const csb_event *event);

#endif
