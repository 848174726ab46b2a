/* SPDX-License-Identifier: MIT */
/* One subscriber: what it is told, what it owes, what it says. */
#include "hooks/relay.h"

#include <errno.h>
#include <unistd.h>

#include "core/posix.h"
#include "hooks/server.h"

#define HELLO_MS 5000
#define ANSWER_MS 3000
#define READ_SIZE ((size_t)64 << 10)
#define READS_MAX 4

static void poll_for(struct csb__peer *p, unsigned events) {
    if (csb__poller_set(&p->server->loop->poller, p->fd, p->polled, events, &p->watch) == 0) {
        p->polled = events;
    } else {
        p->broken = true;
        csb__server_arm(p->server);
    }
}

static void flush(struct csb__peer *p) {
    int sent = csb__outbox_send(&p->out, p->fd);

    /* One that is gone says so when it is read from. */
    poll_for(p, sent == 0 ? CSB__POLL_IN | CSB__POLL_OUT : CSB__POLL_IN);
}

static struct csb__claim *find_claim(struct csb__peer *p, uint64_t id) {
    struct csb__claim *claim = p->claims;

    while (claim && claim->id != id) {
        claim = claim->next_of_peer;
    }
    return claim;
}

void csb__peer_release(struct csb__claim *claim) {
    struct csb__peer *p = claim->peer;
    struct csb__claim **place = &p->claims;

    while (*place != claim) {
        place = &(*place)->next_of_peer;
    }
    *place = claim->next_of_peer;
    if (claim->held && p->fd >= 0) {
        if (!csb__outbox_add(&p->out, CSB__FRAME_GONE, claim->id, 0)) {
            p->broken = true;
        }
        flush(p);
    }
    free(claim);
}

static void be_late(struct csb__peer *p) {
    struct csb__claim *claim = p->claims;

    if (!p->late && p->answers) {
        csb__log(
            p->server->env, CSB_LOG_WARNING,
            "a program that answers hooks is too slow, and not waited for until it has caught up");
    }
    p->late = true;
    while (claim) {
        if (claim->held) {
            claim = claim->next_of_peer;
        } else {
            csb__claim_settle(claim, NULL);
            claim = p->claims; /* others may have gone with it */
        }
    }
}

void csb__peer_close(struct csb__peer *p) {
    struct csb__relay *r = &p->server->relay;
    struct csb__peer **place = &r->peers;

    while (*place != p) {
        place = &(*place)->next;
    }
    *place = p->next;
    r->n_peers--;
    if (p->polled) {
        (void)csb__poller_set(&p->server->loop->poller, p->fd, p->polled, 0, NULL);
    }
    csb__cleanup_close(&p->fd);
    while (p->claims) {
        csb__claim_settle(p->claims, NULL);
    }
    csb__strbuf_free(&p->in);
    csb__outbox_finish(&p->out);
    p->next = r->dead;
    r->dead = p;
}

/* -- what it says -- */

static bool take_hello(struct csb__peer *p, const struct csb__frame *frame) {
    bool known = frame->id == CSB__FRAME_VERSION;
    unsigned watches;

    if (frame->type != CSB__FRAME_HELLO || !csb__frame_byte(frame, &watches)) {
        return false;
    }
    (void)csb__outbox_add(&p->out, CSB__FRAME_WELCOME, CSB__FRAME_VERSION,
                          known ? CSB__WELCOME : CSB__WELCOME_OTHER_VERSION);
    flush(p);
    p->greeted = true;
    p->answers = !watches;
    p->last = p->server->relay.last;
    return known;
}

static bool take_answer(struct csb__peer *p, const struct csb__frame *frame) {
    struct csb__claim *claim = find_claim(p, frame->id);
    csb_reply reply = {.event = claim ? claim->conn->verdict.event : ""};
    bool good = csb__frame_answer(frame, &reply);

    if (good && claim) {
        claim->held = false; /* it needs not be told */
        csb__claim_settle(claim, &reply);
    }
    csb__reply_finish(&reply);
    return good;
}

static void take_held(struct csb__peer *p, const struct csb__frame *frame) {
    struct csb__claim *claim = find_claim(p, frame->id);

    if (!claim) {
        if (!csb__outbox_add(&p->out, CSB__FRAME_GONE, frame->id, 0)) {
            p->broken = true;
        }
        flush(p);
    } else if (!claim->held) {
        csb__claim_hold(claim);
    }
}

/* False when it says what it should not. */
static bool take_frame(struct csb__peer *p, const struct csb__frame *frame) {
    if (!p->greeted) {
        return take_hello(p, frame);
    }
    if (!p->answers || (frame->type != CSB__FRAME_ANSWER && frame->type != CSB__FRAME_HELD)) {
        return false;
    }
    if (frame->id == p->last) {
        p->late = false;
    }
    if (frame->type == CSB__FRAME_ANSWER) {
        return take_answer(p, frame);
    }
    take_held(p, frame);
    return true;
}

static bool take_frames(struct csb__peer *p) {
    struct csb__frame frame;
    size_t taken = 0;
    ssize_t n;

    while ((n = csb__frame_read(csb__strbuf_text(&p->in) + taken, p->in.len - taken, &frame)) > 0) {
        if (!take_frame(p, &frame)) {
            return false;
        }
        taken += (size_t)n;
    }
    if (taken == p->in.len) {
        csb__strbuf_free(&p->in);
    } else {
        csb__strbuf_keep_tail(&p->in, p->in.len - taken);
    }
    return n == 0;
}

static void peer_ready(void *owner) {
    struct csb__peer *p = owner;

    if (p->fd < 0) {
        return; /* closed in this very round */
    }
    flush(p);
    for (int i = 0; i < READS_MAX; i++) {
        ssize_t n = read(p->fd, p->server->buffer, READ_SIZE);

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (n > 0) {
            csb__strbuf_add(&p->in, p->server->buffer, (size_t)n);
        }
        if (n <= 0 || p->in.failed || !take_frames(p) || p->broken) {
            csb__peer_close(p);
            return;
        }
    }
}

void csb__peer_add(struct csb__server *s, int fd) {
    struct csb__relay *r = &s->relay;
    struct csb__peer *p = calloc(1, sizeof(*p));

    if (!p) {
        close(fd);
        return;
    }
    *p = (struct csb__peer){.watch = {peer_ready, p},
                            .server = s,
                            .next = r->peers,
                            .fd = fd,
                            .deadline = csb__now_ms() + HELLO_MS};
    r->peers = p;
    r->n_peers++;
    csb__server_arm(s);
    poll_for(p, CSB__POLL_IN);
    /* Its HELLO came with it: from now on it hears everything. */
    peer_ready(p);
}

/* -- what it is told -- */

void csb__peer_tell(struct csb__peer *p, struct csb__conn *c, uint64_t id,
                    struct csb__packet *packet) {
    p->last = id;
    if (!packet) {
        p->out.lost++;
        return;
    }
    if (!csb__outbox_add_event(&p->out, id, packet)) {
        be_late(p);
    }
    if (p->answers && !p->late && csb__reply_event(csb_event_name(&c->event))) {
        struct csb__claim *claim = csb__claim_new(c, ANSWER_MS);

        if (claim) {
            claim->peer = p;
            claim->id = id;
            claim->next_of_peer = p->claims;
            p->claims = claim;
        }
    }
    flush(p);
}

bool csb__peer_is_overdue(const struct csb__peer *p, int64_t now_ms) {
    for (const struct csb__claim *claim = p->claims; claim; claim = claim->next_of_peer) {
        if (!claim->held && now_ms >= claim->deadline) {
            return true;
        }
    }
    return false;
}

void csb__peer_remind(struct csb__peer *p, int64_t now_ms) {
    /* We may be the late ones: its answer came while a callback kept us. */
    peer_ready(p);
    if (p->fd >= 0 && csb__peer_is_overdue(p, now_ms)) {
        be_late(p);
    }
}
