/* SPDX-License-Identifier: MIT */
/* What happened, in files that people and programs read later: a JSON object on each line. */
#ifndef EVENT_LOG_H
#define EVENT_LOG_H

#include <claudesandbox.h>

#include "config.h"
#include "daemon.h"

struct event_log {
    char *dir;
    int fd; /* -1: none open */
    char day[16];
    int64_t size;
    int last_errno;
};

int event_log_open(struct event_log *log, struct daemon *d);
void event_log_close(struct event_log *log);
/* A file that is full is put aside, in place of the last one that was. */
void event_log_add(struct event_log *log, struct daemon *d, const struct config *config,
                   const csb_event *event);

#endif
