/* SPDX-License-Identifier: MIT */
/* The server's side of its subscribers: they are told what it hears, and some of them answer. */
#ifndef CSB_HOOKS_RELAY_H
#define CSB_HOOKS_RELAY_H

#include "hooks/endpoint.h"
#include "hooks/loop.h"
#include "hooks/outbox.h"

struct csb__claim;
struct csb__conn;
struct csb__server;

/* One subscriber. */
struct csb__peer {
    struct csb__watch watch;
    struct csb__server *server;
    struct csb__peer *next;
    int fd; /* -1: closed, to be freed at the end of the round */
    unsigned polled;
    bool broken;  /* to be closed */
    bool greeted; /* it has said HELLO */
    bool answers;
    bool late;        /* not waited for, until it has seen all there is */
    int64_t deadline; /* for its HELLO */
    uint64_t last;    /* event that it was told */
    struct csb__strbuf in;
    struct csb__outbox out;
    struct csb__claim *claims; /* what it owes */
};

struct csb__relay {
    struct csb__endpoint endpoint;
    struct csb__watch watch;
    bool polled;
    struct csb__peer *peers;
    struct csb__peer *dead;
    int n_peers;
    uint64_t last; /* event's number */
};

#define CSB__RELAY_INIT                                                                            \
    { CSB__ENDPOINT_INIT, {NULL, NULL}, false, NULL, NULL, 0, 0 }

/* Listens for subscribers. Where it can't, that is logged, and there are none. */
void csb__relay_open(struct csb__server *s);
void csb__relay_close(struct csb__server *s);
/* Tells all of a connection's event, and has it wait for those who may answer. */
void csb__relay_tell(struct csb__server *s, struct csb__conn *c);
/* Those who took too long are not waited for. */
void csb__relay_tick(struct csb__server *s, int64_t now_ms);
/* Whether it wants to be called again in a while. */
bool csb__relay_ticks(const struct csb__server *s);
/* Frees those that were closed. */
void csb__relay_bury(struct csb__server *s);

/* -- peer.c -- */

/* What the server says to a HELLO. */
enum { CSB__WELCOME, CSB__WELCOME_OTHER_VERSION, CSB__WELCOME_FULL };

/* Takes the connection over, and what it says at once. */
void csb__peer_add(struct csb__server *s, int fd);
/* It is gone, and owes nothing more. */
void csb__peer_close(struct csb__peer *p);
/* NULL for the packet: memory ran out. */
void csb__peer_tell(struct csb__peer *p, struct csb__conn *c, uint64_t id,
                    struct csb__packet *packet);
/* Whether it owes an answer for too long. */
bool csb__peer_is_overdue(const struct csb__peer *p, int64_t now_ms);
/* Takes what it has said by now; what it owes then at once is not waited for. */
void csb__peer_remind(struct csb__peer *p, int64_t now_ms);
/* Nobody waits for this claim any more: it goes, and whose it is is told. */
void csb__peer_release(struct csb__claim *claim);

#endif
