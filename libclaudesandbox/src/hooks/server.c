/* SPDX-License-Identifier: MIT */
#include "hooks/server.h"

#include <errno.h>
#include <string.h>

#include "core/posix.h"

#define TICK_MS 1000
#define BUFFER_SIZE ((size_t)64 << 10)
/* Of one VM, before the others are looked at. */
#define ACCEPTS_MAX 16

static void arm_at(struct csb__server *s, int64_t now_ms, int64_t when_ms) {
    int64_t ms = when_ms > now_ms ? when_ms - now_ms : 1;

    s->armed = csb__poller_arm(&s->loop->poller, (int)ms, &s->timer_watch) == 0;
}

void csb__server_arm(struct csb__server *s) {
    if (!s->armed) {
        arm_at(s, 0, TICK_MS);
    }
}

void csb__inlet_update(struct csb__server *s, struct csb__inlet *inlet) {
    bool wanted = !s->starved && s->n_connections < s->limits.connections_max &&
                  inlet->n_connections < s->limits.vm_connections_max;

    if (csb__poller_set(&s->loop->poller, inlet->endpoint.fd, inlet->polled ? CSB__POLL_IN : 0,
                        wanted ? CSB__POLL_IN : 0, &inlet->watch) == 0) {
        inlet->polled = wanted;
    }
}

static void update_all(struct csb__server *s) {
    for (size_t i = 0; i < s->n_inlets; i++) {
        csb__inlet_update(s, s->inlets[i]);
    }
}

void csb__server_conn_gone(struct csb__server *s, struct csb__inlet *inlet) {
    bool was_full = s->n_connections >= s->limits.connections_max;

    s->n_connections--;
    inlet->n_connections--;
    if (inlet->endpoint.fd < 0) {
        return; /* it goes itself, and who takes it away looks at the others */
    }
    if (was_full) {
        update_all(s);
    } else if (!inlet->polled) {
        csb__inlet_update(s, inlet);
    }
}

static void bury(struct csb__server *s) {
    while (s->dead) {
        struct csb__conn *c = s->dead;

        s->dead = c->next;
        free(c);
    }
}

static void log_refusals(struct csb__server *s, struct csb__inlet *inlet) {
    if (inlet->refused > 0) {
        csb__log(s->env, CSB_LOG_WARNING, "hooks of %s: %u refused, the last one with %d (%s)",
                 inlet->vm, inlet->refused, inlet->last_status,
                 csb__http_reason(inlet->last_status));
        inlet->refused = 0;
    }
}

static void tick(void *owner) {
    struct csb__server *s = owner;
    int64_t now = csb__now_ms();
    int64_t then = now + TICK_MS;
    struct csb__conn *next;

    s->armed = false;
    csb__relay_tick(s, now);
    for (struct csb__conn *c = s->connections; c; c = next) {
        next = c->next;
        csb__conn_tick(c, now);
    }
    for (size_t i = 0; i < s->n_inlets; i++) {
        log_refusals(s, s->inlets[i]);
    }
    if (s->starved) {
        s->starved = false;
        update_all(s);
    }
    for (const struct csb__conn *c = s->connections; c; c = c->next) {
        then = csb__question_deadline(c, then);
    }
    if (s->connections || csb__relay_ticks(s)) {
        arm_at(s, now, then);
    }
}

static void look_again(void *owner) {
    ((struct csb__server *)owner)->directory_changed = true;
}

int csb__server_open(struct csb__server *s, struct csb__env *env, struct csb__loop *loop,
                     const struct csb__limits *limits, const char *directory, csb_error **err) {
    *s = (struct csb__server){.env = env,
                              .limits = *limits,
                              .loop = loop,
                              .relay = CSB__RELAY_INIT,
                              .timer_watch = {tick, s},
                              .directory_watch = {look_again, s}};
    s->buffer = malloc(BUFFER_SIZE);
    if (!s->buffer) {
        return csb__fail_nomem(err);
    }
    if (csb__poller_watch_dir(&loop->poller, directory, &s->directory_watch) != 0) {
        return csb__fail_errno(err, errno, "can't watch %s", directory);
    }
    csb__relay_open(s);
    return 0;
}

static void free_inlet(struct csb__server *s, struct csb__inlet *inlet) {
    struct csb__conn *next;

    csb__queue_drop(&s->queue, &inlet->line);
    if (inlet->polled) {
        (void)csb__poller_set(&s->loop->poller, inlet->endpoint.fd, CSB__POLL_IN, 0, NULL);
    }
    csb__endpoint_close(&inlet->endpoint);
    for (struct csb__conn *c = s->connections; c; c = next) {
        next = c->next;
        if (c->inlet == inlet) {
            csb__conn_close(c);
        }
    }
    bury(s);
    log_refusals(s, inlet);
    free(inlet->vm);
    free(inlet->project);
    free(inlet);
}

void csb__server_close(struct csb__server *s) {
    csb__relay_close(s);
    for (size_t i = 0; i < s->n_inlets; i++) {
        free_inlet(s, s->inlets[i]);
    }
    free(s->inlets);
    free(s->buffer);
    csb__strbuf_free(&s->spare);
    *s = (struct csb__server)CSB__SERVER_INIT;
}

static void accept_some(void *owner) {
    struct csb__inlet *inlet = owner;
    struct csb__server *s = inlet->server;

    for (int i = 0; i < ACCEPTS_MAX && inlet->polled; i++) {
        int before = inlet->n_connections;

        csb__conn_accept(s, inlet);
        if (s->starved) {
            update_all(s);
            csb__server_arm(s);
            return;
        }
        csb__inlet_update(s, inlet);
        if (inlet->n_connections == before) {
            return;
        }
    }
}

/* NULL, and logged, when its socket can't be made. */
static struct csb__inlet *new_inlet(struct csb__server *s, const struct csb__vm_seen *vm) {
    CSB__AUTOERROR csb_error *e = NULL;
    struct csb__inlet *inlet = calloc(1, sizeof(*inlet));
    char *path = NULL;
    int rc;

    if (!inlet) {
        return NULL;
    }
    inlet->server = s;
    inlet->watch = (struct csb__watch){accept_some, inlet};
    inlet->endpoint = (struct csb__endpoint)CSB__ENDPOINT_INIT;
    inlet->vm = strdup(vm->name);
    inlet->project = vm->project_dir ? strdup(vm->project_dir) : NULL;
    rc = inlet->vm ? csb__hooks_socket_path(s->env, vm->name, &path, &e) : CSB_ENOMEM;
    if (rc == 0) {
        rc = csb__endpoint_open(&inlet->endpoint, path, &e);
    }
    if (rc != 0) {
        csb__log(s->env, CSB_LOG_WARNING, "hooks of %s are not heard: %s", vm->name,
                 csb_error_message(e));
        free(inlet->vm);
        free(inlet->project);
        free(inlet);
        return NULL;
    }
    csb__inlet_update(s, inlet);
    return inlet;
}

int csb__server_set_vms(struct csb__server *s, const struct csb__vm_seen *vms, size_t n,
                        csb_error **err) {
    struct csb__inlet **inlets = calloc(n + 1, sizeof(struct csb__inlet *));
    size_t count = 0;
    size_t old = 0;

    if (!inlets) {
        return csb__fail_nomem(err);
    }
    /* Both are sorted. What is gone goes first, for it may be in the way of what is new. */
    for (size_t i = 0, j = 0; j < s->n_inlets; j++) {
        struct csb__inlet *inlet = s->inlets[j];

        while (i < n && strcmp(vms[i].name, inlet->vm) < 0) {
            i++;
        }
        if (i < n && strcmp(vms[i].name, inlet->vm) == 0) {
            s->inlets[old++] = inlet;
        } else {
            free_inlet(s, inlet);
        }
    }
    for (size_t i = 0, j = 0; i < n; i++) {
        bool known = j < old && strcmp(vms[i].name, s->inlets[j]->vm) == 0;

        inlets[count] = known ? s->inlets[j++] : new_inlet(s, &vms[i]);
        count += inlets[count] != NULL;
    }
    free(s->inlets);
    s->inlets = inlets;
    s->n_inlets = count;
    /* Those that went may have made room. */
    update_all(s);
    return 0;
}

int csb__server_io(struct csb__server *s, int timeout_ms, csb_error **err) {
    int rc = csb__loop_run(s->loop, timeout_ms, err);

    bury(s);
    csb__relay_bury(s);
    return rc;
}

bool csb__server_deliver(struct csb__server *s, csb_hook_fn fn, void *userdata, int *rc) {
    /* Its place in the line is its first member. */
    struct csb__conn *c = (struct csb__conn *)csb__queue_pop(&s->queue);

    if (!c) {
        return false;
    }
    *rc = csb__question_ask(c, fn, userdata);
    return true;
}
