/* SPDX-License-Identifier: MIT */
/* The listener who has the sockets of the VMs, and whom all others hear from. */
#include "hooks_kind.h"

#include "context.h"
#include "core/path.h"
#include "store.h"

/* Of one dispatch; then the caller's own loop has its turn. */
#define ROUNDS_MAX 256

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
    int rc = csb__server_io(&h->server, timeout_ms, err);

    if (rc == 0) {
        rc = csb__env_check(&h->ctx->env, "waiting for hooks", err);
    }
    if (rc == 0 && h->server.directory_changed) {
        h->server.directory_changed = false;
        rc = update_vms(h, err);
    }
    return rc;
}

static int dispatch(csb_hooks *hooks, int timeout_ms, csb_error **err) {
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

static void close_server(csb_hooks *h) {
    csb__server_close(&h->server);
    csb__cleanup_close(&h->lock_fd);
}

static const struct csb__hooks_kind kind = {dispatch, close_server};

int csb__hooks_serve(csb_hooks *h, csb_error **err) {
    struct csb__env *env = &h->ctx->env;
    CSB__AUTOFREE char *vms = csb__path_join(env->state_dir, "vms");
    int rc = vms ? csb__mkdirs(vms, err) : csb__fail_nomem(err);

    if (rc == 0) {
        rc = csb__hooks_lock(env, &h->lock_fd, err);
    }
    if (rc == 0) {
        csb__hooks_sweep(env);
        rc = csb__server_open(&h->server, env, &h->loop, &h->limits, vms, err);
    }
    if (rc == 0) {
        /* After the watch began, so that none is missed in between. */
        rc = update_vms(h, err);
    }
    if (rc == 0) {
        h->kind = &kind;
    } else {
        close_server(h);
    }
    return rc;
}
