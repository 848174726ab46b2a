/* SPDX-License-Identifier: MIT */
/* The sockets of all VMs, the connections to them, and whose turn it is. */
#ifndef CSB_HOOKS_SERVER_H
#define CSB_HOOKS_SERVER_H

#include <claudesandbox/hooks.h>

#include "hooks/endpoint.h"
#include "hooks/event.h"
#include "hooks/http.h"
#include "hooks/limits.h"
#include "hooks/loop.h"
#include "hooks/queue.h"
#include "hooks/relay.h"
#include "hooks/reply.h"

/* A VM's way in. */
struct csb__inlet {
    struct csb__line line; /* of connections whose event is there */
    struct csb__watch watch;
    struct csb__server *server;
    char *vm;
    char *project; /* NULL: none */
    struct csb__endpoint endpoint;
    bool polled;
    int n_connections;
    int n_held; /* of these */
    struct csb__account memory;
    struct csb__bucket bucket;
    unsigned refused; /* since it was last logged */
    int last_status;
};

enum csb__conn_state {
    CSB__CONN_READING,
    CSB__CONN_WAITING, /* in its VM's line */
    CSB__CONN_ASKING,  /* its event is known, and answers to it are awaited */
    CSB__CONN_WRITING,
    CSB__CONN_LINGERING /* the answer is out, and what still comes is thrown away */
};

/* An answer that a connection waits for. */
struct csb__claim {
    struct csb__asker asker; /* of a reply that the callback holds */
    struct csb__claim *next;
    struct csb__conn *conn; /* NULL: it does not wait any more */
    bool held;
    int64_t deadline;
    /* A subscriber's: */
    struct csb__peer *peer; /* NULL: the callback's */
    struct csb__claim *next_of_peer;
    uint64_t id;
};

struct csb__conn {
    struct csb__waiter waiter;
    struct csb__watch watch;
    struct csb__server *server;
    struct csb__inlet *inlet;
    struct csb__conn *prev;
    struct csb__conn *next;
    int fd; /* -1: closed, to be freed at the end of the round */
    unsigned polled;
    enum csb__conn_state state;
    struct csb__http http;
    bool has_event;
    csb_event event;
    csb_reply verdict; /* what was answered so far */
    struct csb__claim *claims;
    bool held;
    size_t reserved;
    struct csb__strbuf out;
    size_t sent;
    int64_t deadline;
};

struct csb__server {
    struct csb__env *env;
    struct csb__limits limits;
    struct csb__loop *loop;
    struct csb__watch timer_watch;
    struct csb__watch directory_watch;
    struct csb__inlet **inlets; /* in the order of their names */
    size_t n_inlets;
    struct csb__conn *connections;
    struct csb__conn *dead;
    int n_connections;
    struct csb__account memory;
    struct csb__queue queue;
    struct csb__relay relay;
    bool armed;             /* the timer */
    bool starved;           /* of descriptors: nothing is accepted until the timer */
    bool directory_changed; /* to be looked at and cleared by the owner */
    char *buffer;
    struct csb__strbuf spare; /* a body's, for the next one */
};

/* One that is not open. */
#define CSB__SERVER_INIT                                                                           \
    { .relay = CSB__RELAY_INIT }

/* Watches `directory`, which must exist; knows no VM yet. Env and loop are the caller's. */
int csb__server_open(struct csb__server *s, struct csb__env *env, struct csb__loop *loop,
                     const struct csb__limits *limits, const char *directory, csb_error **err);
void csb__server_close(struct csb__server *s);

struct csb__vm_seen {
    const char *name;
    const char *project_dir; /* NULL: none */
};

/* From now on these, in the order of their names, and no others. One whose socket can't be made is
 * logged and left out. */
int csb__server_set_vms(struct csb__server *s, const struct csb__vm_seen *vms, size_t n,
                        csb_error **err);

/* Waits for something to do and does it. */
int csb__server_io(struct csb__server *s, int timeout_ms, csb_error **err);
/* Has the next event answered by fn; false when there is none. *rc: what fn returned. */
bool csb__server_deliver(struct csb__server *s, csb_hook_fn fn, void *userdata, int *rc);

/* connection.c, for server.c */
void csb__conn_accept(struct csb__server *s, struct csb__inlet *inlet);
void csb__conn_answer(struct csb__conn *c, int status, const char *json, size_t len);
/* Its answer comes later: lets go of what only the question took up, and looks whether the other side
 * is still there. */
void csb__conn_rest(struct csb__conn *c);
/* Ends what takes too long. */
void csb__conn_tick(struct csb__conn *c, int64_t now_ms);
void csb__conn_close(struct csb__conn *c);

/* question.c */
/* Has it wait for one more; NULL when memory ran out. */
struct csb__claim *csb__claim_new(struct csb__conn *c, int ms);
/* A subscriber's is held from now on; where there are too many, nobody waits for it. */
void csb__claim_hold(struct csb__claim *claim);
/* What a subscriber said, NULL for nothing. The claim is gone then. */
void csb__claim_settle(struct csb__claim *claim, csb_reply *reply);
/* Has the event answered by fn, now or later. What fn returned. */
int csb__question_ask(struct csb__conn *c, csb_hook_fn fn, void *userdata);
/* Those who took too long are not waited for. */
void csb__question_tick(struct csb__conn *c, int64_t now_ms);
/* When that is, if it is earlier than `before`. */
int64_t csb__question_deadline(const struct csb__conn *c, int64_t before);
/* Nobody waits for an answer any more. */
void csb__question_end(struct csb__conn *c);

/* server.c, for connection.c: accepts or not, as the limits have it. */
void csb__inlet_update(struct csb__server *s, struct csb__inlet *inlet);
void csb__server_conn_gone(struct csb__server *s, struct csb__inlet *inlet);
void csb__server_arm(struct csb__server *s);

#endif
