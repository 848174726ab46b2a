/* SPDX-License-Identifier: MIT */
/* An event that was asked about: who owes an answer to it, and when it is answered. */
#include "core/posix.h"
#include "hooks/server.h"
#include "hooks/verdict.h"

/* Answers, unless somebody has still to say what matters. */
static void settle(struct csb__conn *c) {
    CSB__AUTOSTRBUF json = CSB__STRBUF_INIT;

    if (c->state != CSB__CONN_ASKING || (c->claims && c->verdict.decision == CSB__DECISION_NONE)) {
        return;
    }
    csb__reply_format(&c->verdict, &json);
    if (json.failed) {
        csb__conn_answer(c, 200, "{}", 2);
    } else {
        csb__conn_answer(c, 200, csb__strbuf_text(&json), json.len);
    }
}

/* The connection waits for it no longer. */
static void drop(struct csb__claim *claim) {
    struct csb__claim **place = &claim->conn->claims;

    while (*place != claim) {
        place = &(*place)->next;
    }
    *place = claim->next;
    claim->conn = NULL;
}

static bool claim_waits(const struct csb__asker *asker) {
    return ((const struct csb__claim *)asker)->conn != NULL;
}

static bool claim_answer(struct csb__asker *asker, csb_reply *reply) {
    struct csb__claim *claim = (struct csb__claim *)asker;
    struct csb__conn *c = claim->conn;

    if (!c) {
        return false;
    }
    drop(claim);
    csb__verdict_add(&c->verdict, reply);
    settle(c);
    return true;
}

static void claim_free(struct csb__asker *asker) {
    free(asker);
}

static const struct csb__asker_ops claim_ops = {
    .waits = claim_waits,
    .answer = claim_answer,
    .free = claim_free,
};

/* Whom the callback answers while it runs. */
struct caller {
    struct csb__asker asker;
    struct csb__conn *conn;
};

static int hold(struct csb__asker *asker, struct csb__asker **ret, csb_error **err) {
    struct csb__conn *c = ((struct caller *)asker)->conn;
    const struct csb__limits *limits = &c->server->limits;
    struct csb__claim *claim;

    if (!c->held && c->inlet->n_held >= limits->vm_held_max) {
        return csb__fail(err, CSB_EBUSY, "%s waits for %d answers already", c->inlet->vm,
                         c->inlet->n_held);
    }
    claim = calloc(1, sizeof(*claim));
    if (!claim) {
        return csb__fail_nomem(err);
    }
    *claim = (struct csb__claim){{&claim_ops}, c->claims, c, csb__now_ms() + limits->held_ms};
    c->claims = claim;
    c->inlet->n_held += !c->held;
    c->held = true;
    *ret = &claim->asker;
    return 0;
}

static const struct csb__asker_ops caller_ops = {.hold = hold};

int csb__question_ask(struct csb__conn *c, csb_hook_fn fn, void *userdata) {
    struct caller caller = {{&caller_ops}, c};
    const char *name = csb_event_name(&c->event);
    const char *known = csb__reply_event(name);
    csb_reply reply = {.event = name, .asker = &caller.asker};
    int rc = fn(&c->event, &reply, userdata);

    csb__verdict_add(&c->verdict, &reply);
    /* The event itself goes while its answer is awaited. */
    c->verdict.event = known ? known : "";
    c->state = CSB__CONN_ASKING;
    settle(c);
    if (c->state == CSB__CONN_ASKING && c->fd >= 0) {
        csb__conn_rest(c);
    }
    return rc;
}

void csb__question_tick(struct csb__conn *c, int64_t now_ms) {
    struct csb__claim *next;

    for (struct csb__claim *claim = c->claims; claim; claim = next) {
        next = claim->next;
        if (now_ms >= claim->deadline) {
            drop(claim);
        }
    }
    settle(c);
}

void csb__question_end(struct csb__conn *c) {
    while (c->claims) {
        drop(c->claims);
    }
    csb__reply_finish(&c->verdict);
    c->inlet->n_held -= c->held;
    c->held = false;
}
