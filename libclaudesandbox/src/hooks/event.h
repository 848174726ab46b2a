/* SPDX-License-Identifier: MIT */
/* What a hook said: a view of its bytes, with the texts that are asked for decoded. */
#ifndef CSB_HOOKS_EVENT_H
#define CSB_HOOKS_EVENT_H

#include <claudesandbox/hooks.h>

#include "core/error.h"
#include "core/json_scan.h"

/* Claude's events have some twenty. More may come, and are in the JSON then. */
#define CSB__EVENT_MEMBERS_MAX 64

struct csb__event_member {
    struct csb__json_slice key;
    struct csb__json_slice value;
    char *text; /* the value decoded, once it was asked for */
};

struct csb_event {
    const char *vm;      /* borrowed, as the next two */
    const char *project; /* NULL: none */
    const char *json;    /* ends in NUL */
    size_t len;
    struct csb__event_member *members;
    size_t n_members;
    uint64_t lost; /* before this one */
};

/* EPROTOCOL for what is not one JSON object, or has a member twice. Keeps pointers to vm and json. */
int csb__event_parse(const char *vm, const char *json, size_t len, csb_event *ret, csb_error **err);
void csb__event_finish(csb_event *event);

#endif
