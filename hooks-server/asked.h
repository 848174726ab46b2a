/* SPDX-License-Identifier: MIT */
/* What a PermissionRequest asks for, for somebody who is to decide on it. */
#ifndef ASKED_H
#define ASKED_H

#include <stdbool.h>

#include <claudesandbox.h>

/* What is shown of a command or a path. */
#define ASKED_MAX 320
/* Of a tool's name; both fit into a notice. */
#define ASKED_TOOL_MAX 130

struct asked {
    char text[ASKED_MAX]; /* clean, on one line; "" where there is nothing to show */
    bool whole;           /* nothing is missing in the text */
    bool answerable;      /* yes and no are answers to it */
};

void asked_read(const csb_event *event, struct asked *ret);

#endif
