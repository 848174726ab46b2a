/* SPDX-License-Identifier: MIT */
#include <claudesandbox/hooks.h>

#include <unistd.h>

#include "context.h"
#include "core/options.h"
#include "core/posix.h"
#include "hooks_kind.h"

#define BODY_MAX ((size_t)8 << 20)
#define RATE_MAX 1000000
/* Somebody who has the server's place but takes no subscribers is about to begin, or to end. */
#define OPEN_MS 1000
/* So long a server may take to start again; who watches waits also for one who takes its place. */
#define RETURN_MS 2000
#define WATCH_RETURN_MS 3000
#define RETRY_MS 20

static int load_options(csb_hooks *h, const csb_hooks_options *opts, csb_error **err) {
    csb_hooks_options o = CSB_HOOKS_OPTIONS_INIT;
    struct csb__limits *limits = &h->limits;
    int rc = csb__options_load(&o, sizeof(o), opts, err);

    if (rc != 0) {
        return rc;
    }
    if ((o.flags & ~CSB_HOOKS_WATCH) != 0) {
        return csb__fail(err, CSB_EINVAL, "a flag that this version does not know");
    }
    if (o.body_max > BODY_MAX) {
        return csb__fail(err, CSB_EINVAL, "body_max is at most 8 MiB");
    }
    if (o.rate < 0 || o.rate > RATE_MAX || o.request_timeout_ms < 0) {
        return csb__fail(err, CSB_EINVAL, "a rate or time limit out of range");
    }
    limits->body_max = o.body_max ? o.body_max : limits->body_max;
    limits->rate = o.rate ? o.rate : limits->rate;
    limits->burst = 5 * limits->rate;
    limits->request_ms = o.request_timeout_ms ? o.request_timeout_ms : limits->request_ms;
    h->watches = (o.flags & CSB_HOOKS_WATCH) != 0;
    return 0;
}

/* EBUSY when there is a server that does not take us. */
static int try_both(csb_hooks *h, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    int rc = h->watches ? CSB_EBUSY : csb__hooks_serve(h, &e);

    if (rc == CSB_EBUSY) {
        csb_error_free(CSB__STEAL(e));
        rc = csb__hooks_subscribe(h, &e);
    }
    if (rc == CSB_ENOTFOUND && (!h->watches || csb__hooks_is_locked(&h->ctx->env))) {
        return csb__hooks_fail_busy(err);
    }
    csb__error_propagate(err, CSB__STEAL(e));
    return rc;
}

/* Does one of the two, and again as long as it can't be done, for so long. */
static int insist(csb_hooks *h, int (*try)(csb_hooks *h, csb_error **err), int passing, int ms,
                  csb_error **err) {
    int64_t end = csb__now_ms() + ms;

    for (;;) {
        CSB__AUTOERROR csb_error *e = NULL;
        int rc = try(h, &e);

        if (rc == passing && csb__now_ms() < end) {
            rc = csb__env_wait(&h->ctx->env, RETRY_MS, "waiting for hooks", err);
            if (rc == 0) {
                continue;
            }
            return rc;
        }
        csb__error_propagate(err, CSB__STEAL(e));
        return rc;
    }
}

static int find_place(csb_hooks *h, csb_error **err) {
    return insist(h, try_both, CSB_EBUSY, OPEN_MS, err);
}

int csb_hooks_open(csb_ctx *ctx, const csb_hooks_options *opts, csb_hook_fn fn, void *userdata,
                   csb_hooks **ret, csb_error **err) {
    csb_hooks *h = calloc(1, sizeof(*h));
    int rc;

    if (!h) {
        return csb__fail_nomem(err);
    }
    *h = (csb_hooks){.owner = getpid(),
                     .ctx = ctx,
                     .fn = fn,
                     .userdata = userdata,
                     .limits = CSB__LIMITS_INIT,
                     .loop = CSB__LOOP_INIT,
                     .server = CSB__SERVER_INIT,
                     .subscriber = CSB__SUBSCRIBER_INIT,
                     .lock_fd = -1};
    rc = load_options(h, opts, err);
    if (rc == 0) {
        csb__env_begin(&ctx->env, -1);
        rc = csb__loop_open(&h->loop, &ctx->env, err);
    }
    if (rc == 0) {
        rc = find_place(h, err);
    }
    if (rc != 0) {
        csb_hooks_close(h);
        return rc;
    }
    *ret = h;
    return 0;
}

int csb_hooks_fd(const csb_hooks *hooks) {
    return hooks->loop.poller.fd;
}

int csb_hooks_dispatch(csb_hooks *hooks, int timeout_ms, csb_error **err) {
    int rc;

    /* The callback's event would go under its hands. */
    if (hooks->dispatching) {
        return csb__fail(err, CSB_ESTATE, "the callback can't dispatch the hooks that called it");
    }
    /* The context's time limit is for operations; how long to listen is said by the caller. The
     * callback may have had an operation of its own. */
    hooks->ctx->env.deadline = -1;
    hooks->dispatching = true;
    rc = hooks->kind->dispatch(hooks, timeout_ms, err);
    hooks->dispatching = false;
    return rc;
}

int csb_hooks_wakeup(csb_hooks *hooks) {
    csb__loop_wakeup(&hooks->loop);
    return 0;
}

static void leave_place(csb_hooks *h) {
    if (h->kind) {
        h->kind->close(h);
        h->kind = NULL;
    }
}

void csb_hooks_close(csb_hooks *hooks) {
    /* The sockets, and what is polled, are those of the process that forked us. */
    if (hooks && hooks->owner == getpid()) {
        leave_place(hooks);
        csb__loop_close(&hooks->loop);
        free(hooks);
    }
}

/* The server has ended. Mostly another one follows, whose place is not to be taken from it. */
static int come_back(csb_hooks *h, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    int rc;

    leave_place(h);
    h->ctx->env.deadline = -1;
    rc = insist(h, csb__hooks_subscribe, CSB_ENOTFOUND, h->watches ? WATCH_RETURN_MS : RETURN_MS,
                &e);
    if (rc == CSB_ENOTFOUND && !h->watches) {
        return find_place(h, err);
    }
    csb__error_propagate(err, CSB__STEAL(e));
    return rc;
}

int csb_hooks_listen(csb_ctx *ctx, const csb_hooks_options *opts, csb_hook_fn fn, void *userdata,
                     csb_error **err) {
    csb_hooks *hooks = NULL;
    int rc = csb_hooks_open(ctx, opts, fn, userdata, &hooks, err);

    while (rc == 0) {
        CSB__AUTOERROR csb_error *e = NULL;

        rc = csb_hooks_dispatch(hooks, -1, &e);
        if (rc == CSB_ENOTFOUND) {
            rc = come_back(hooks, err);
        } else {
            csb__error_propagate(err, CSB__STEAL(e));
        }
    }
    csb_hooks_close(hooks);
    return rc;
}
