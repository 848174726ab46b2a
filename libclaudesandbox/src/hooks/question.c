/* SPDX-License-Identifier: MIT */
/* An event that was asked about: who owes an answer to it, and when it is answered. */
#include "core/posix.h"
#include "hooks/server.h"
#include "hooks/verdict.h"

/* Everybody who was to answer at once has; who holds is not waited for once somebody has decided. */
static bool is_settled(const struct csb__conn *c) {
    for (const struct csb__claim *claim = c->claims; claim; claim = claim->next) {
        if (!claim->held || c->verdict.decision == CSB__DECISION_NONE) {
            return false;
        }
    }
    return true;
}

static void settle(struct csb__conn *c) {
    CSB__AUTOSTRBUF json = CSB__STRBUF_INIT;

    if (c->state != CSB__CONN_ASKING || !is_settled(c)) {
        return;
    }
    csb__reply_format(&c->verdict, &json);
    if (json.failed) {
        csb__conn_answer(c, 200, "{}", 2);
    } else {
        csb__conn_answer(c, 200, csb__strbuf_text(&json), json.len);
    }
}

/* -- claims -- */

struct csb__claim *csb__claim_new(struct csb__conn *c, int ms) {
    struct csb__claim *claim = calloc(1, sizeof(*claim));

    if (claim) {
        claim->conn = c;
        claim->next = c->claims;
        claim->deadline = csb__now_ms() + ms;
        c->claims = claim;
    }
    return claim;
}

/* The connection waits for it no longer. A subscriber's is gone then. */
static void drop(struct csb__claim *claim) {
    struct csb__claim **place = &claim->conn->claims;

    while (*place != claim) {
        place = &(*place)->next;
    }
    *place = claim->next;
    claim->conn = NULL;
    if (claim->peer) {
        csb__peer_release(claim);
    }
}

void csb__claim_settle(struct csb__claim *claim, csb_reply *reply) {
    struct csb__conn *c = claim->conn;

    drop(claim);
    if (reply) {
        csb__verdict_add(&c->verdict, reply);
    }
    settle(c);
}

/* Whether one more of the VM's events may be held; counts it. */
static bool count_held(struct csb__conn *c) {
    if (!c->held && c->inlet->n_held >= c->server->limits.vm_held_max) {
        return false;
    }
    c->inlet->n_held += !c->held;
    c->held = true;
    return true;
}

void csb__claim_hold(struct csb__claim *claim) {
    struct csb__conn *c = claim->conn;
    bool room = count_held(c);

    claim->held = true;
    claim->deadline = csb__now_ms() + c->server->limits.held_ms;
    if (!room) {
        drop(claim);
    }
    settle(c);
}

/* -- the callback's -- */

static bool claim_waits(const struct csb__asker *asker) {
    return ((const struct csb__claim *)asker)->conn != NULL;
}

static bool claim_answer(struct csb__asker *asker, csb_reply *reply) {
    struct csb__claim *claim = (struct csb__claim *)asker;

    if (!claim->conn) {
        return false;
    }
    csb__claim_settle(claim, reply);
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
    struct csb__claim *claim;

    if (!count_held(c)) {
        return csb__fail(err, CSB_EBUSY, "%s waits for %d answers already", c->inlet->vm,
                         c->inlet->n_held);
    }
    claim = csb__claim_new(c, c->server->limits.held_ms);
    if (!claim) {
        return csb__fail_nomem(err);
    }
    claim->asker.ops = &claim_ops;
    claim->held = true;
    *ret = &claim->asker;
    return 0;
}

static const struct csb__asker_ops caller_ops = {.hold = hold};

int csb__question_ask(struct csb__conn *c, csb_hook_fn fn, void *userdata) {
    struct caller caller = {{&caller_ops}, c};
    const char *name = csb_event_name(&c->event);
    const char *known = csb__reply_event(name);
    csb_reply reply = {.event = name, .asker = &caller.asker};
    int rc;

    /* The event itself goes while its answer is awaited. */
    c->verdict.event = known ? known : "";
    csb__relay_tell(c->server, c);
    rc = fn(&c->event, &reply, userdata);
    csb__verdict_add(&c->verdict, &reply);
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
        if (claim->held && now_ms >= claim->deadline) {
            drop(claim);
        }
    }
    settle(c);
}

int64_t csb__question_deadline(const struct csb__conn *c, int64_t before) {
    for (const struct csb__claim *claim = c->claims; claim; claim = claim->next) {
        if (claim->deadline < before) {
            before = claim->deadline;
        }
    }
    return before;
}

void csb__question_end(struct csb__conn *c) {
    while (c->claims) {
        drop(c->claims);
    }
    csb__reply_finish(&c->verdict);
    c->inlet->n_held -= c->held;
    c->held = false;
}
