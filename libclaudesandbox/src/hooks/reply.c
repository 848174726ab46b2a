/* SPDX-License-Identifier: MIT */
#include "hooks/reply.h"

#include <string.h>

#include "core/json.h"

/* All of it is to fit into one message to the server. */
#define TEXT_MAX ((size_t)1 << 20)

/* Which answers an event takes. */
enum { TAKES_PERMISSION = 1, TAKES_ASK = 2, TAKES_BLOCK = 4, TAKES_CONTEXT = 8, TAKES_INPUT = 16 };

static const struct {
    const char *event;
    unsigned takes;
} table[] = {
    {"PreToolUse", TAKES_PERMISSION | TAKES_ASK | TAKES_BLOCK | TAKES_CONTEXT | TAKES_INPUT},
    {"PermissionRequest", TAKES_PERMISSION},
    {"PostToolUse", TAKES_BLOCK | TAKES_CONTEXT},
    {"PostToolUseFailure", TAKES_CONTEXT},
    {"PostToolBatch", TAKES_BLOCK | TAKES_CONTEXT},
    {"UserPromptSubmit", TAKES_BLOCK | TAKES_CONTEXT},
    {"UserPromptExpansion", TAKES_BLOCK | TAKES_CONTEXT},
    {"SessionStart", TAKES_CONTEXT},
    {"Setup", TAKES_CONTEXT},
    {"SubagentStart", TAKES_CONTEXT},
    {"SubagentStop", TAKES_BLOCK},
    {"Stop", TAKES_BLOCK},
    {"PreCompact", TAKES_BLOCK},
    {"ConfigChange", TAKES_BLOCK},
};

static bool is_event(const csb_reply *reply, const char *name) {
    return strcmp(reply->event, name) == 0;
}

const char *csb__reply_event(const char *name) {
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        if (strcmp(name, table[i].event) == 0) {
            return table[i].event;
        }
    }
    return NULL;
}

static int check(const csb_reply *reply, unsigned wanted, const char *what, csb_error **err) {
    if (reply->state == CSB__REPLY_WATCHED) {
        return csb__fail(err, CSB_ENOTSUP, "who only watches gives no answers");
    }
    if (reply->state == CSB__REPLY_MOVED) {
        return csb__fail(err, CSB_ESTATE, "this answer is held: it goes into what holds it");
    }
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        if (is_event(reply, table[i].event) && (table[i].takes & wanted)) {
            return 0;
        }
    }
    return csb__fail(err, CSB_ENOTSUP, "Claude Code takes no \"%s\" in answer to %s", what,
                     *reply->event ? reply->event : "an event without a name");
}

/* Replaces one of the reply's texts; text may be NULL. */
static int set_text(json_t **place, const char *text, csb_error **err) {
    json_t *json;

    if (text && strlen(text) > TEXT_MAX) {
        return csb__fail(err, CSB_EINVAL, "a text of more than 1 MiB");
    }
    json = text ? json_string(text) : NULL;
    if (text && !json) {
        /* jansson says no more than NULL, and memory is seldom the reason. */
        return csb__fail(err, CSB_EINVAL, "a text that is not UTF-8");
    }
    json_decref(*place);
    *place = json;
    return 0;
}

static int decide(csb_reply *reply, enum csb__decision decision, const char *reason,
                  csb_error **err) {
    int rc = set_text(&reply->reason, reason, err);

    if (rc == 0) {
        reply->decision = decision;
    }
    return rc;
}

int csb_reply_allow(csb_reply *reply, csb_error **err) {
    int rc = check(reply, TAKES_PERMISSION, "allow", err);

    return rc == 0 ? decide(reply, CSB__DECISION_ALLOW, NULL, err) : rc;
}

int csb_reply_deny(csb_reply *reply, const char *reason, csb_error **err) {
    int rc = check(reply, TAKES_PERMISSION, "deny", err);

    return rc == 0 ? decide(reply, CSB__DECISION_DENY, reason, err) : rc;
}

int csb_reply_ask(csb_reply *reply, const char *reason, csb_error **err) {
    int rc = check(reply, TAKES_ASK, "ask", err);

    return rc == 0 ? decide(reply, CSB__DECISION_ASK, reason, err) : rc;
}

int csb_reply_block(csb_reply *reply, const char *reason, csb_error **err) {
    int rc = check(reply, TAKES_BLOCK, "block", err);

    if (rc != 0) {
        return rc;
    }
    if (!reason) {
        return csb__fail(err, CSB_EINVAL, "blocking needs a reason");
    }
    return decide(reply, is_event(reply, "PreToolUse") ? CSB__DECISION_DENY : CSB__DECISION_BLOCK,
                  reason, err);
}

int csb_reply_context(csb_reply *reply, const char *text, csb_error **err) {
    int rc = check(reply, TAKES_CONTEXT, "context", err);

    return rc == 0 ? set_text(&reply->context, text, err) : rc;
}

int csb_reply_input(csb_reply *reply, const char *json, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    json_t *input = NULL;
    int rc = check(reply, TAKES_INPUT, "input", err);

    if (rc != 0) {
        return rc;
    }
    rc = csb__json_parse(json, strlen(json), &input, &e);
    if (rc == CSB_EPROTOCOL) {
        return csb__fail(err, CSB_EINVAL, "a tool's input: %s", csb_error_message(e));
    }
    if (rc != 0) {
        return csb__error_propagate(err, CSB__STEAL(e));
    }
    json_decref(reply->input);
    reply->input = input;
    return 0;
}

static const char *const words[] = {NULL, "allow", "deny", "ask", "block"};

/* Members that are NULL are left out. */
static json_t *tool_output(const csb_reply *r) {
    return json_pack("{s:s, s:s*, s:O*, s:O*, s:O*}", "hookEventName", r->event,
                     "permissionDecision", words[r->decision], "permissionDecisionReason",
                     r->reason, "updatedInput", r->input, "additionalContext", r->context);
}

static json_t *permission_output(const csb_reply *r) {
    return json_pack("{s:s, s:{s:s, s:O*}}", "hookEventName", r->event, "decision", "behavior",
                     words[r->decision], "message", r->reason);
}

static json_t *output(const csb_reply *r) {
    json_t *specific = NULL;

    if (is_event(r, "PreToolUse")) {
        specific = tool_output(r);
    } else if (is_event(r, "PermissionRequest")) {
        specific = permission_output(r);
    } else if (r->context) {
        specific = json_pack("{s:s, s:O}", "hookEventName", r->event, "additionalContext",
                             r->context);
    }
    if (r->decision != CSB__DECISION_BLOCK) {
        return json_pack("{s:o}", "hookSpecificOutput", specific);
    }
    return json_pack("{s:s, s:O*, s:o*}", "decision", "block", "reason", r->reason,
                     "hookSpecificOutput", specific);
}

void csb__reply_format(const csb_reply *reply, struct csb__strbuf *out) {
    CSB__AUTOJSON *json = NULL;
    CSB__AUTOFREE char *text = NULL;

    if (reply->decision == CSB__DECISION_NONE && !reply->context && !reply->input) {
        csb__strbuf_puts(out, "{}");
        return;
    }
    json = output(reply);
    text = json ? csb__json_text(json, JSON_COMPACT) : NULL;
    if (text) {
        csb__strbuf_puts(out, text);
    } else {
        out->failed = true;
    }
}

void csb__reply_finish(csb_reply *reply) {
    json_decref(reply->reason);
    json_decref(reply->context);
    json_decref(reply->input);
    *reply = (csb_reply){0};
}
