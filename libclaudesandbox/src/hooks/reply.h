/* SPDX-License-Identifier: MIT */
/* What a listener answers, in the words that Claude Code takes for that event. */
#ifndef CSB_HOOKS_REPLY_H
#define CSB_HOOKS_REPLY_H

#include <claudesandbox/hooks.h>

#include <stdbool.h>

#include "core/json.h"
#include "core/strbuf.h"

enum csb__decision {
    CSB__DECISION_NONE,
    CSB__DECISION_ALLOW,
    CSB__DECISION_DENY,
    CSB__DECISION_ASK,
    CSB__DECISION_BLOCK
};

struct csb__asker;

/* What each kind of listener does with the replies to its events. */
struct csb__asker_ops {
    /* In a callback: the answer comes later, and *ret takes it then. */
    int (*hold)(struct csb__asker *asker, struct csb__asker **ret, csb_error **err);
    /* Those of a held one: whether anybody waits for it; hands it on, false when nobody waits. */
    bool (*waits)(const struct csb__asker *asker);
    bool (*answer)(struct csb__asker *asker, csb_reply *reply);
    void (*free)(struct csb__asker *asker);
};

/* Whom the answer goes to. The first member of what more a kind of listener knows of it. */
struct csb__asker {
    const struct csb__asker_ops *ops;
};

enum csb__reply_state {
    CSB__REPLY_NOW,     /* given when the callback returns */
    CSB__REPLY_WATCHED, /* never, by one who only watches */
    CSB__REPLY_LATER,   /* held */
    CSB__REPLY_MOVED    /* what the callback has left of one that it holds */
};

struct csb_reply {
    const char *event; /* its name; borrowed */
    enum csb__reply_state state;
    struct csb__asker *asker;
    enum csb__decision decision;
    json_t *reason; /* these three may be NULL */
    json_t *context;
    json_t *input;
};

/* The name, for as long as the program runs, of an event that takes an answer; else NULL. */
const char *csb__reply_event(const char *name);
/* The JSON for it: "{}" when nothing was answered. */
void csb__reply_format(const csb_reply *reply, struct csb__strbuf *out);
void csb__reply_finish(csb_reply *reply);

#endif
