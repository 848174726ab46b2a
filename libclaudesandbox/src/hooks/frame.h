/* SPDX-License-Identifier: MIT */
/*
 * What the server and its subscribers say to each other. A frame is its length and its type (4 bytes
 * and 1, the highest first, the length without itself), the event's number (8 bytes), and more, as the
 * type has it. A text is its length with its NUL (4 bytes), then it; length 0 is none. Pure.
 */
#ifndef CSB_HOOKS_FRAME_H
#define CSB_HOOKS_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "core/strbuf.h"
#include "hooks/reply.h"

#define CSB__FRAME_VERSION 1
/* An event of 8 MiB and what comes with it; an answer is not longer. */
#define CSB__FRAME_MAX ((size_t)9 << 20)
#define CSB__FRAME_EVENT_HEAD 21

enum csb__frame_type {
    CSB__FRAME_HELLO = 1, /* the subscriber's first. The version for the number; 1 byte: 1 if it only
                             watches */
    CSB__FRAME_WELCOME,   /* the server's. The version; 1 byte: 0 if it takes the subscriber */
    CSB__FRAME_EVENT,     /* 8 bytes: how many were lost before; texts: VM, project, JSON */
    CSB__FRAME_GONE,      /* nobody waits for this held answer any more */
    CSB__FRAME_ANSWER,    /* to every event of one who may answer. 1 byte: decision; texts: reason,
                             context, input */
    CSB__FRAME_HELD       /* instead of an answer, which comes later */
};

struct csb__frame {
    enum csb__frame_type type;
    uint64_t id;
    const char *bytes; /* what is behind the number */
    size_t len;
};

/* The frame at the front of these bytes: how many it takes up; 0: it is not whole yet; -1: it is none. */
ssize_t csb__frame_read(const char *bytes, size_t len, struct csb__frame *ret);

/* Building: begin, add, end. */
void csb__frame_begin(struct csb__strbuf *out, enum csb__frame_type type, uint64_t id);
void csb__frame_add_byte(struct csb__strbuf *out, unsigned value);
void csb__frame_add_text(struct csb__strbuf *out, const char *text, size_t len);
/* `start` is where in `out` it began. */
void csb__frame_end(struct csb__strbuf *out, size_t start);

/* The head of an event's frame, which has `len` bytes of texts behind it. */
void csb__frame_event_head(char head[CSB__FRAME_EVENT_HEAD], uint64_t id, uint64_t lost,
                           size_t len);
/* The same texts. */
void csb__frame_add_event(struct csb__strbuf *out, const csb_event *event);

struct csb__frame_event {
    uint64_t lost;
    const char *vm;
    const char *project;
    const char *json;
    size_t json_len;
};

/* These four: false when it is no such frame. What is found points into the frame. */
bool csb__frame_event(const struct csb__frame *frame, struct csb__frame_event *ret);
bool csb__frame_byte(const struct csb__frame *frame, unsigned *ret);
/* What was answered to such an event, as far as it takes it. */
bool csb__frame_answer(const struct csb__frame *frame, csb_reply *reply);

/* A whole ANSWER. With an input that is too long, nothing is allowed. */
void csb__frame_add_answer(struct csb__strbuf *out, uint64_t id, const csb_reply *reply);

#endif
