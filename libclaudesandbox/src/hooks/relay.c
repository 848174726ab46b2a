/* SPDX-License-Identifier: MIT */
/* All subscribers: who is one, and that they are told of an event. peer.c is about a single one. */
#include "hooks/relay.h"

#include <errno.h>
#include <unistd.h>

#include "core/posix.h"
#include "hooks/server.h"

#define PEERS_MAX 32

static bool is_ours(int fd) {
    uid_t uid;

    return csb__peer_uid(fd, &uid) == 0 && uid == geteuid();
}

static void refuse(int fd) {
    struct csb__outbox o = {0};

    (void)csb__outbox_add(&o, CSB__FRAME_WELCOME, CSB__FRAME_VERSION, CSB__WELCOME_FULL);
    (void)csb__outbox_send(&o, fd);
    csb__outbox_finish(&o);
    close(fd);
}

static void poll_for_peers(struct csb__server *s, bool wanted) {
    struct csb__relay *r = &s->relay;

    if (csb__poller_set(&s->loop->poller, r->endpoint.fd, r->polled ? CSB__POLL_IN : 0,
                        wanted ? CSB__POLL_IN : 0, &r->watch) == 0) {
        r->polled = wanted;
    }
}

static void accept_peers(void *owner) {
    struct csb__server *s = owner;

    for (int i = 0; i < 2 * PEERS_MAX; i++) {
        int fd = csb__accept(s->relay.endpoint.fd);

        if (fd < 0) {
            if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
                poll_for_peers(s, false); /* no descriptors: until the timer */
                csb__server_arm(s);
            }
            return;
        }
        if (!is_ours(fd)) {
            close(fd);
        } else if (s->relay.n_peers >= PEERS_MAX) {
            refuse(fd);
        } else {
            csb__peer_add(s, fd);
        }
    }
}

void csb__relay_open(struct csb__server *s) {
    struct csb__relay *r = &s->relay;
    CSB__AUTOERROR csb_error *e = NULL;
    char *path = NULL;
    int rc;

    *r = (struct csb__relay)CSB__RELAY_INIT;
    r->watch = (struct csb__watch){accept_peers, s};
    rc = csb__hooks_relay_path(s->env, &path, &e);
    if (rc == 0) {
        rc = csb__endpoint_open(&r->endpoint, path, &e);
    }
    if (rc == 0) {
        poll_for_peers(s, true);
    } else {
        csb__log(s->env, CSB_LOG_WARNING, "no other program can hear the hooks: %s",
                 csb_error_message(e));
    }
}

void csb__relay_close(struct csb__server *s) {
    struct csb__relay *r = &s->relay;

    csb__endpoint_close(&r->endpoint);
    while (r->peers) {
        csb__peer_close(r->peers);
    }
    csb__relay_bury(s);
}

void csb__relay_bury(struct csb__server *s) {
    while (s->relay.dead) {
        struct csb__peer *p = s->relay.dead;

        s->relay.dead = p->next;
        free(p);
    }
}

void csb__relay_tell(struct csb__server *s, struct csb__conn *c) {
    struct csb__packet *packet;
    uint64_t id;

    /* Those who came before the event are to hear it. */
    if (s->relay.polled) {
        accept_peers(s);
    }
    if (!s->relay.peers) {
        return;
    }
    packet = csb__packet_new(&c->event);
    id = ++s->relay.last;
    for (struct csb__peer *p = s->relay.peers; p; p = p->next) {
        if (p->greeted && !p->broken) {
            csb__peer_tell(p, c, id, packet);
        }
    }
    csb__packet_leave(packet);
}

void csb__relay_tick(struct csb__server *s, int64_t now_ms) {
    struct csb__peer *next;

    if (s->relay.endpoint.fd >= 0 && !s->relay.polled) {
        poll_for_peers(s, true);
    }
    for (struct csb__peer *p = s->relay.peers; p; p = next) {
        next = p->next;
        if (p->broken || (!p->greeted && now_ms >= p->deadline)) {
            csb__peer_close(p);
        } else if (csb__peer_is_overdue(p, now_ms)) {
            csb__peer_remind(p, now_ms);
        }
    }
}

bool csb__relay_ticks(const struct csb__server *s) {
    if (s->relay.endpoint.fd >= 0 && !s->relay.polled) {
        return true;
    }
    for (const struct csb__peer *p = s->relay.peers; p; p = p->next) {
        if (p->broken || !p->greeted) {
            return true;
        }
    }
    return false;
}
