/* SPDX-License-Identifier: MIT */
#include "hooks/frame.h"

#include <string.h>

#include "core/json.h"
#include "hooks/event.h"

#define LENGTH_SIZE 4
#define HEAD_SIZE 13

static void put(char *place, uint64_t value, size_t size) {
    for (size_t i = size; i > 0; i--) {
        place[i - 1] = (char)(value & 0xff);
        value >>= 8;
    }
}

static uint64_t get(const char *place, size_t size) {
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++) {
        value = value << 8 | (unsigned char)place[i];
    }
    return value;
}

ssize_t csb__frame_read(const char *bytes, size_t len, struct csb__frame *ret) {
    size_t size;

    if (len < LENGTH_SIZE) {
        return 0;
    }
    size = LENGTH_SIZE + (size_t)get(bytes, LENGTH_SIZE);
    if (size < HEAD_SIZE || size > CSB__FRAME_MAX) {
        return -1;
    }
    if (len < size) {
        return 0;
    }
    *ret = (struct csb__frame){.type = (enum csb__frame_type)bytes[LENGTH_SIZE],
                               .id = get(bytes + LENGTH_SIZE + 1, 8),
                               .bytes = bytes + HEAD_SIZE,
                               .len = size - HEAD_SIZE};
    return (ssize_t)size;
}

void csb__frame_begin(struct csb__strbuf *out, enum csb__frame_type type, uint64_t id) {
    char head[HEAD_SIZE] = {0};

    head[LENGTH_SIZE] = (char)type;
    put(head + LENGTH_SIZE + 1, id, 8);
    csb__strbuf_add(out, head, sizeof(head));
}

void csb__frame_end(struct csb__strbuf *out, size_t start) {
    if (!out->failed) {
        put(out->data + start, out->len - start - LENGTH_SIZE, LENGTH_SIZE);
    }
}

void csb__frame_add_byte(struct csb__strbuf *out, unsigned value) {
    char byte = (char)value;

    csb__strbuf_add(out, &byte, 1);
}

void csb__frame_add_text(struct csb__strbuf *out, const char *text, size_t len) {
    char head[LENGTH_SIZE];

    put(head, text ? len + 1 : 0, sizeof(head));
    csb__strbuf_add(out, head, sizeof(head));
    if (text) {
        csb__strbuf_add(out, text, len);
        csb__strbuf_add(out, "", 1);
    }
}

void csb__frame_event_head(char head[CSB__FRAME_EVENT_HEAD], uint64_t id, uint64_t lost,
                           size_t len) {
    put(head, CSB__FRAME_EVENT_HEAD - LENGTH_SIZE + len, LENGTH_SIZE);
    head[LENGTH_SIZE] = CSB__FRAME_EVENT;
    put(head + LENGTH_SIZE + 1, id, 8);
    put(head + HEAD_SIZE, lost, 8);
}

static void add_string(struct csb__strbuf *out, const char *text) {
    csb__frame_add_text(out, text, text ? strlen(text) : 0);
}

void csb__frame_add_event(struct csb__strbuf *out, const csb_event *event) {
    add_string(out, event->vm);
    add_string(out, event->project);
    csb__frame_add_text(out, event->json, event->len);
}

/* -- reading -- */

struct reader {
    const char *p;
    size_t left;
    bool failed;
};

static uint64_t take_number(struct reader *r, size_t size) {
    uint64_t value;

    if (r->left < size) {
        r->failed = true;
        return 0;
    }
    value = get(r->p, size);
    r->p += size;
    r->left -= size;
    return value;
}

/* NULL where there is none. It holds no NUL but the one behind it. */
static const char *take_text(struct reader *r, size_t *ret_len) {
    size_t size = (size_t)take_number(r, LENGTH_SIZE);
    const char *text = r->p;

    if (size == 0) {
        return NULL;
    }
    if (r->left < size || memchr(text, '\0', size) != text + size - 1) {
        r->failed = true;
        return NULL;
    }
    r->p += size;
    r->left -= size;
    if (ret_len) {
        *ret_len = size - 1;
    }
    return text;
}

static bool is_done(const struct reader *r) {
    return !r->failed && r->left == 0;
}

bool csb__frame_byte(const struct csb__frame *frame, unsigned *ret) {
    struct reader r = {frame->bytes, frame->len, false};

    *ret = (unsigned)take_number(&r, 1);
    return is_done(&r);
}

bool csb__frame_event(const struct csb__frame *frame, struct csb__frame_event *ret) {
    struct reader r = {frame->bytes, frame->len, false};

    *ret = (struct csb__frame_event){.lost = take_number(&r, 8)};
    ret->vm = take_text(&r, NULL);
    ret->project = take_text(&r, NULL);
    ret->json = take_text(&r, &ret->json_len);
    return is_done(&r) && ret->vm && ret->json;
}

static int say(csb_reply *reply, enum csb__decision decision, const char *reason) {
    switch (decision) {
    case CSB__DECISION_ALLOW:
        return csb_reply_allow(reply, NULL);
    case CSB__DECISION_DENY:
        return csb_reply_deny(reply, reason, NULL);
    case CSB__DECISION_ASK:
        return csb_reply_ask(reply, reason, NULL);
    case CSB__DECISION_BLOCK:
        return csb_reply_block(reply, reason, NULL);
    default:
        return 0;
    }
}

/* A denial whose reason is lost, in bad bytes or for want of memory, is a denial all the same. */
static void decide(csb_reply *reply, enum csb__decision decision, const char *reason) {
    if (say(reply, decision, reason) != 0) {
        (void)say(reply, decision, NULL);
    }
}

bool csb__frame_answer(const struct csb__frame *frame, csb_reply *reply) {
    struct reader r = {frame->bytes, frame->len, false};
    enum csb__decision decision = (enum csb__decision)take_number(&r, 1);
    const char *reason = take_text(&r, NULL);
    const char *context = take_text(&r, NULL);
    const char *input = take_text(&r, NULL);

    if (!is_done(&r)) {
        return false;
    }
    decide(reply, decision, reason);
    if (context) {
        (void)csb_reply_context(reply, context, NULL);
    }
    if (input) {
        (void)csb_reply_input(reply, input, NULL);
    }
    return true;
}

/* Whether it is in `out`. */
static bool add_answer(struct csb__strbuf *out, uint64_t id, const csb_reply *reply) {
    CSB__AUTOFREE char *input = reply->input ? csb__json_text(reply->input, JSON_COMPACT) : NULL;
    CSB__AUTOSTRBUF frame = CSB__STRBUF_INIT;

    csb__frame_begin(&frame, CSB__FRAME_ANSWER, id);
    csb__frame_add_byte(&frame, reply->decision);
    add_string(&frame, json_string_value(reply->reason));
    add_string(&frame, json_string_value(reply->context));
    add_string(&frame, input);
    csb__frame_end(&frame, 0);
    if (frame.failed || frame.len > CSB__FRAME_MAX || (reply->input && !input)) {
        return false;
    }
    csb__strbuf_add(out, frame.data, frame.len);
    return true;
}

void csb__frame_add_answer(struct csb__strbuf *out, uint64_t id, const csb_reply *reply) {
    csb_reply brief = *reply;

    if (!add_answer(out, id, reply)) {
        /* The input is too long. To allow another one than it is would be wrong. */
        brief.input = NULL;
        if (brief.decision == CSB__DECISION_ALLOW) {
            brief.decision = CSB__DECISION_NONE;
        }
        out->failed |= !add_answer(out, id, &brief);
    }
}
