/* SPDX-License-Identifier: MIT */
/* A listener who is told by the server what it hears. relay.h is the other side. */
#ifndef CSB_HOOKS_SUBSCRIBER_H
#define CSB_HOOKS_SUBSCRIBER_H

#include <claudesandbox/hooks.h>

#include "core/env.h"
#include "hooks/frame.h"
#include "hooks/loop.h"

struct csb__promise;

struct csb__subscriber {
    struct csb__loop *loop;
    struct csb__watch watch;
    int fd;
    unsigned polled;
    bool watches;
    bool ended;      /* the server has */
    unsigned status; /* what it said to us; not 0: it doesn't take us */
    struct csb__strbuf in;
    size_t taken; /* of it */
    struct csb__strbuf out;
    size_t sent;                   /* of it */
    struct csb__promise *promises; /* answers that are held */
};

#define CSB__SUBSCRIBER_INIT                                                                       \
    { .fd = -1 }

/* Whatever the server hears after this is heard, unless it is too much. The loop is the caller's.
 * ENOTFOUND when nobody serves. */
int csb__subscriber_open(struct csb__subscriber *s, const struct csb__env *env,
                         struct csb__loop *loop, bool watches, csb_error **err);
void csb__subscriber_close(struct csb__subscriber *s);
/* Has what has come answered by fn. EUSER when fn wants that; ENOTFOUND when the server has ended. */
int csb__subscriber_deliver(struct csb__subscriber *s, csb_hook_fn fn, void *userdata,
                            csb_error **err);

#endif
