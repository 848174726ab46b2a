/* SPDX-License-Identifier: MIT */
/* What the server has still to tell one subscriber. It has an end: the oldest events go then. */
#ifndef CSB_HOOKS_OUTBOX_H
#define CSB_HOOKS_OUTBOX_H

#include "hooks/frame.h"

#define CSB__OUTBOX_EVENTS_MAX 4096
#define CSB__OUTBOX_BYTES_MAX ((size_t)16 << 20)

/* An event's texts, the same for all who are told of it. */
struct csb__packet {
    unsigned users;
    struct csb__strbuf bytes;
};

/* With one user; NULL when memory ran out. */
struct csb__packet *csb__packet_new(const csb_event *event);
void csb__packet_leave(struct csb__packet *packet);

struct csb__parcel {
    struct csb__parcel *next;
    enum csb__frame_type type;
    uint64_t id;
    unsigned value;             /* WELCOME's */
    struct csb__packet *packet; /* EVENT's */
};

struct csb__outbox {
    struct csb__parcel *first; /* the one that is being sent */
    struct csb__parcel *last;
    size_t n;
    size_t bytes;            /* of packets */
    uint64_t lost;           /* since the last event that was sent */
    struct csb__strbuf head; /* of the first, once that was begun */
    size_t sent;
};

/* Whether nothing was lost for it. */
bool csb__outbox_add_event(struct csb__outbox *o, uint64_t id, struct csb__packet *packet);
/* False when there is no room for more. */
bool csb__outbox_add(struct csb__outbox *o, enum csb__frame_type type, uint64_t id, unsigned value);
/* 1: all is sent, 0: the other side takes no more for now, -1: it takes no more at all. */
int csb__outbox_send(struct csb__outbox *o, int fd);
void csb__outbox_finish(struct csb__outbox *o);

#endif
