/* SPDX-License-Identifier: MIT */
/* The listener who hears from another one, who has the sockets of the VMs. */
#include "context.h"
#include "hooks_kind.h"

static int dispatch(csb_hooks *h, int timeout_ms, csb_error **err) {
    int rc = csb__loop_run(&h->loop, timeout_ms, err);

    if (rc == 0) {
        rc = csb__env_check(&h->ctx->env, "waiting for hooks", err);
    }
    return rc == 0 ? csb__subscriber_deliver(&h->subscriber, h->fn, h->userdata, err) : rc;
}

static void close_subscriber(csb_hooks *h) {
    csb__subscriber_close(&h->subscriber);
}

static const struct csb__hooks_kind kind = {dispatch, close_subscriber};

int csb__hooks_subscribe(csb_hooks *h, csb_error **err) {
    int rc = csb__subscriber_open(&h->subscriber, &h->ctx->env, &h->loop, h->watches, err);

    if (rc == 0) {
        h->kind = &kind;
    } else {
        close_subscriber(h);
    }
    return rc;
}
