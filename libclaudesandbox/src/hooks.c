/* SPDX-License-Identifier: MIT */
#include <claudesandbox/hooks.h>

#include <string.h>

#include "context.h"
#include "core/options.h"
#include "core/path.h"
#include "core/strbuf.h"
#include "hooks/server.h"
#include "store.h"

#define BODY_MAX ((size_t)8 << 20)
#define RATE_MAX 1000000
/* Of one dispatch; then the caller's own loop has its turn. */
#define ROUNDS_MAX 256

struct csb_hooks {
    csb_ctx *ctx;
    struct csb__loop loop;
    struct csb__server server;
    int lock_fd;
    csb_hook_fn fn;
    void *userdata;
};

static int load_limits(const csb_hooks_options *opts, struct csb__limits *limits, csb_error **err) {
    csb_hooks_options o = CSB_HOOKS_OPTIONS_INIT;
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
    return 0;
}

/* The VMs that there are now. */
static int update_vms(csb_hooks *h, csb_error **err) {
    struct csb__record *records = NULL;
    struct csb__vm_seen *vms;
    size_t n = 0;
    int rc = csb__store_list(&h->ctx->env, &records, &n, err);

    if (rc != 0) {
        return rc;
    }
    vms = calloc(n + 1, sizeof(*vms));
    for (size_t i = 0; vms && i < n; i++) {
        vms[i].name = records[i].spec.name;
        vms[i].project_dir = records[i].spec.project_dir;
    }
    rc = vms ? csb__server_set_vms(&h->server, vms, n, err) : csb__fail_nomem(err);
    free(vms);
    csb__store_list_free(records, n);
    return rc;
}

static int open_server(csb_hooks *h, const struct csb__limits *limits, csb_error **err) {
    struct csb__env *env = &h->ctx->env;
    CSB__AUTOFREE char *vms = csb__path_join(env->state_dir, "vms");
    int rc = vms ? csb__mkdirs(vms, err) : csb__fail_nomem(err);

    if (rc == 0) {
        rc = csb__loop_open(&h->loop, env, err);
    }
    if (rc == 0) {
        rc = csb__hooks_lock(env, &h->lock_fd, err);
    }
    if (rc == 0) {
        rc = csb__server_open(&h->server, env, &h->loop, limits, vms, err);
    }
    /* After the watch began, so that none is missed in between. */
    return rc == 0 ? update_vms(h, err) : rc;
}

int csb_hooks_open(csb_ctx *ctx, const csb_hooks_options *opts, csb_hook_fn fn, void *userdata,
                   csb_hooks **ret, csb_error **err) {
    struct csb__limits limits = CSB__LIMITS_INIT;
    int rc = load_limits(opts, &limits, err);
    csb_hooks *h;

    if (rc != 0) {
        return rc;
    }
    h = calloc(1, sizeof(*h));
    if (!h) {
        return csb__fail_nomem(err);
    }
    h->ctx = ctx;
    h->fn = fn;
    h->userdata = userdata;
    h->lock_fd = -1;
    h->loop = (struct csb__loop)CSB__LOOP_INIT;
    csb__env_begin(&ctx->env, -1);
    rc = open_server(h, &limits, err);
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

/* One event of each VM that has any. */
static int deliver_round(csb_hooks *h, csb_error **err) {
    for (size_t n = h->server.queue.n_lines; n > 0; n--) {
        int rc = 0;

        if (csb__server_deliver(&h->server, h->fn, h->userdata, &rc) && rc != 0) {
            return csb__fail(err, CSB_EUSER, "stopped by the callback");
        }
    }
    return 0;
}

static int io(csb_hooks *h, int timeout_ms, csb_error **err) {
    int rc;

    /* The context's time limit is for operations; how long to listen is said by the caller. The
     * callback may have had an operation of its own. */
    h->ctx->env.deadline = -1;
    rc = csb__server_io(&h->server, timeout_ms, err);
    if (rc == 0) {
        rc = csb__env_check(&h->ctx->env, "waiting for hooks", err);
    }
    if (rc == 0 && h->server.directory_changed) {
        h->server.directory_changed = false;
        rc = update_vms(h, err);
    }
    return rc;
}

int csb_hooks_dispatch(csb_hooks *hooks, int timeout_ms, csb_error **err) {
    int rc = io(hooks, timeout_ms, err);

    for (int i = 0; rc == 0 && i < ROUNDS_MAX && hooks->server.queue.n_lines > 0; i++) {
        rc = deliver_round(hooks, err);
        if (rc == 0) {
            /* Others may have come meanwhile, and are not to wait for the first one's line. */
            rc = io(hooks, 0, err);
        }
    }
    if (hooks->server.queue.n_lines > 0) {
        csb__loop_wakeup(&hooks->loop);
    }
    return rc;
}

int csb_hooks_wakeup(csb_hooks *hooks) {
    csb__loop_wakeup(&hooks->loop);
    return 0;
}

void csb_hooks_close(csb_hooks *hooks) {
    if (hooks) {
        csb__server_close(&hooks->server);
        csb__loop_close(&hooks->loop);
        csb__cleanup_close(&hooks->lock_fd);
        free(hooks);
    }
}

int csb_hooks_listen(csb_ctx *ctx, const csb_hooks_options *opts, csb_hook_fn fn, void *userdata,
                     csb_error **err) {
    csb_hooks *hooks = NULL;
    int rc = csb_hooks_open(ctx, opts, fn, userdata, &hooks, err);

    while (rc == 0) {
        rc = csb_hooks_dispatch(hooks, -1, err);
    }
    csb_hooks_close(hooks);
    return rc;
}
