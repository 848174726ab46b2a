/* SPDX-License-Identifier: MIT */
#include "hooks/outbox.h"

#include <errno.h>

#include "hooks/poller.h"

struct csb__packet *csb__packet_new(const csb_event *event) {
    struct csb__packet *packet = calloc(1, sizeof(*packet));

    if (!packet) {
        return NULL;
    }
    packet->users = 1;
    csb__frame_add_event(&packet->bytes, event);
    if (packet->bytes.failed) {
        csb__packet_leave(packet);
        return NULL;
    }
    return packet;
}

void csb__packet_leave(struct csb__packet *packet) {
    if (packet && --packet->users == 0) {
        csb__strbuf_free(&packet->bytes);
        free(packet);
    }
}

static size_t packet_size(const struct csb__parcel *parcel) {
    return parcel->packet ? parcel->packet->bytes.len : 0;
}

/* Takes out the one behind `before`; the first one for NULL. */
static void remove_after(struct csb__outbox *o, struct csb__parcel *before) {
    struct csb__parcel **place = before ? &before->next : &o->first;
    struct csb__parcel *parcel = *place;

    *place = parcel->next;
    if (o->last == parcel) {
        o->last = before;
    }
    o->n--;
    o->bytes -= packet_size(parcel);
    csb__packet_leave(parcel->packet);
    free(parcel);
}

/* The oldest event of which nothing was sent yet. */
static bool lose_one(struct csb__outbox *o) {
    struct csb__parcel *before = NULL;
    struct csb__parcel *p = o->first;

    if (o->head.len > 0) {
        before = p;
        p = p->next;
    }
    while (p && p->type != CSB__FRAME_EVENT) {
        before = p;
        p = p->next;
    }
    if (!p) {
        return false;
    }
    remove_after(o, before);
    o->lost++;
    return true;
}

static bool append(struct csb__outbox *o, struct csb__parcel value) {
    struct csb__parcel *parcel = malloc(sizeof(*parcel));

    if (!parcel) {
        return false;
    }
    *parcel = value;
    if (o->last) {
        o->last->next = parcel;
    } else {
        o->first = parcel;
    }
    o->last = parcel;
    o->n++;
    o->bytes += packet_size(parcel);
    return true;
}

bool csb__outbox_add_event(struct csb__outbox *o, uint64_t id, struct csb__packet *packet) {
    uint64_t lost = o->lost;

    while (o->n >= CSB__OUTBOX_EVENTS_MAX ||
           (o->bytes > 0 && o->bytes + packet->bytes.len > CSB__OUTBOX_BYTES_MAX)) {
        if (!lose_one(o)) {
            break;
        }
    }
    if (append(o, (struct csb__parcel){NULL, CSB__FRAME_EVENT, id, 0, packet})) {
        packet->users++;
    } else {
        o->lost++;
    }
    return o->lost == lost;
}

bool csb__outbox_add(struct csb__outbox *o, enum csb__frame_type type, uint64_t id,
                     unsigned value) {
    return o->n < (size_t)2 * CSB__OUTBOX_EVENTS_MAX &&
           append(o, (struct csb__parcel){NULL, type, id, value, NULL});
}

static void write_head(struct csb__outbox *o) {
    const struct csb__parcel *p = o->first;
    char head[CSB__FRAME_EVENT_HEAD];

    if (p->type == CSB__FRAME_EVENT) {
        csb__frame_event_head(head, p->id, o->lost, packet_size(p));
        csb__strbuf_add(&o->head, head, sizeof(head));
        o->lost = 0;
        return;
    }
    csb__frame_begin(&o->head, p->type, p->id);
    if (p->type == CSB__FRAME_WELCOME) {
        csb__frame_add_byte(&o->head, p->value);
    }
    csb__frame_end(&o->head, 0);
}

/* The rest of one of the two parts of the first. What csb__send() says. */
static ssize_t send_part(struct csb__outbox *o, int fd) {
    if (o->sent < o->head.len) {
        return csb__send(fd, o->head.data + o->sent, o->head.len - o->sent);
    }
    return csb__send(fd, o->first->packet->bytes.data + (o->sent - o->head.len),
                     packet_size(o->first) - (o->sent - o->head.len));
}

int csb__outbox_send(struct csb__outbox *o, int fd) {
    while (o->first) {
        ssize_t n;

        if (o->head.len == 0) {
            write_head(o);
        }
        if (o->head.failed) {
            return -1;
        }
        n = send_part(o, fd);
        if (n < 0 && errno != EINTR) {
            return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
        }
        o->sent += n > 0 ? (size_t)n : 0;
        if (o->sent == o->head.len + packet_size(o->first)) {
            remove_after(o, NULL);
            o->head.len = 0;
            o->sent = 0;
        }
    }
    return 1;
}

void csb__outbox_finish(struct csb__outbox *o) {
    while (o->first) {
        remove_after(o, NULL);
    }
    csb__strbuf_free(&o->head);
    *o = (struct csb__outbox){0};
}
