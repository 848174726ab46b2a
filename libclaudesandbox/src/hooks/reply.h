/* SPDX-License-Identifier: MIT */
/* What a listener answers, in the words that Claude Code takes for that event. */
#ifndef CSB_HOOKS_REPLY_H
#define CSB_HOOKS_REPLY_H

#include <claudesandbox/hooks.h>

#include "core/json.h"
#include "core/strbuf.h"

enum csb__decision {
    CSB__DECISION_NONE,
    CSB__DECISION_ALLOW,
    CSB__DECISION_DENY,
    CSB__DECISION_ASK,
    CSB__DECISION_BLOCK
};

struct csb_reply {
    const char *event; /* its name; borrowed */
    enum csb__decision decision;
    json_t *reason; /* these three may be NULL */
    json_t *context;
    json_t *input;
};

/* The JSON for it: "{}" when nothing was answered. */
void csb__reply_format(const csb_reply *reply, struct csb__strbuf *out);
void csb__reply_finish(csb_reply *reply);

#endif
