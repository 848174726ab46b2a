/* SPDX-License-Identifier: MIT */
#include "hooks/verdict.h"

/* The more careful one wins; of two that are alike, the first. */
static const int weights[] = {
    [CSB__DECISION_NONE] = 0, [CSB__DECISION_ALLOW] = 1, [CSB__DECISION_ASK] = 2,
    [CSB__DECISION_DENY] = 3, [CSB__DECISION_BLOCK] = 3,
};

static void move(json_t **to, json_t **from) {
    json_decref(*to);
    *to = *from;
    *from = NULL;
}

static void join(json_t **context, json_t **more) {
    json_t *both;

    if (!*context) {
        move(context, more);
    } else if (*more) {
        both = json_sprintf("%s\n%s", json_string_value(*context), json_string_value(*more));
        if (both) {
            move(context, &both);
        }
    }
}

void csb__verdict_add(csb_reply *verdict, csb_reply *said) {
    if (weights[said->decision] > weights[verdict->decision]) {
        verdict->decision = said->decision;
        move(&verdict->reason, &said->reason);
    }
    if (!verdict->input) {
        move(&verdict->input, &said->input);
    }
    join(&verdict->context, &said->context);
    csb__reply_finish(said);
}
