/* SPDX-License-Identifier: MIT */
/* A listener is one of two kinds: the server, or one who subscribes to it. */
#ifndef CSB_HOOKS_KIND_H
#define CSB_HOOKS_KIND_H

#include <claudesandbox/hooks.h>

#include "hooks/loop.h"
#include "hooks/server.h"
#include "hooks/subscriber.h"

struct csb__hooks_kind {
    int (*dispatch)(csb_hooks *h, int timeout_ms, csb_error **err);
    void (*close)(csb_hooks *h);
};

struct csb_hooks {
    const struct csb__hooks_kind *kind; /* NULL: neither yet */
    pid_t owner;
    csb_ctx *ctx;
    csb_hook_fn fn;
    void *userdata;
    struct csb__limits limits;
    bool watches;
    bool dispatching;
    struct csb__loop loop;
    struct csb__server server;
    int lock_fd; /* the server's */
    struct csb__subscriber subscriber;
};

/* Becomes the one or the other. EBUSY when another has the server's place, ENOTFOUND when nobody serves:
 * nothing has changed then. */
int csb__hooks_serve(csb_hooks *h, csb_error **err);
int csb__hooks_subscribe(csb_hooks *h, csb_error **err);

#endif
