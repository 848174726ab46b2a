/* SPDX-License-Identifier: MIT */
#include "hooks_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/posix.h"
#include "hooks/endpoint.h"
#include "store.h"

static void log_line(int level, const char *text, void *userdata) {
    struct world *w = userdata;
    size_t len = strlen(w->logged);

    (void)level;
    snprintf(w->logged + len, sizeof(w->logged) - len, "%s\n", text);
}

void world_remove_vm(struct world *w, const char *name) {
    ck_assert_int_eq(csb__store_remove(&w->ctx.env, name, NULL), 0);
}

int world_on_event(const csb_event *event, csb_reply *reply, void *userdata) {
    struct world *w = userdata;
    size_t len = strlen(w->heard);

    ck_assert_pstr_eq(csb_event_project_dir(event), w->project);
    w->n_heard++;
    w->lost += csb_event_lost(event);
    snprintf(w->heard + len, sizeof(w->heard) - len, "%s:%s ", csb_event_vm(event),
             csb_event_name(event));
    if (w->allow) {
        w->reply_rc = csb_reply_allow(reply, NULL);
    }
    if (w->deny) {
        w->reply_rc = csb_reply_deny(reply, "no", NULL);
    }
    if (w->tell) {
        w->reply_rc = csb_reply_context(reply, w->tell, NULL);
    }
    if (w->hold) {
        w->hold_rc = csb_reply_hold(reply, &w->held[w->n_held], NULL);
        w->n_held += w->hold_rc == 0;
    }
    return w->n_heard >= w->stop_after ? w->stop_with : 0;
}

void world_add_vm(struct world *w, const char *name) {
    struct csb__record r = {.engine = (char *)"qemu", .engine_home = (char *)"", .complete = true};

    r.spec.name = (char *)name;
    r.spec.project_dir = (char *)w->project;
    ck_assert_int_eq(csb__store_save(&w->ctx.env, &r, NULL), 0);
}

void world_open(struct world *w, const csb_hooks_options *options) {
    ck_assert_int_eq(csb_hooks_open(&w->ctx, options, world_on_event, w, &w->hooks, NULL), 0);
}

static void make(struct world *w) {
    *w = (struct world){0};
    test_env(&w->ctx.env);
    w->ctx.env.log = log_line;
    w->ctx.env.log_userdata = w;
}

void world_make(struct world *w) {
    make(w);
    world_add_vm(w, "one");
    world_add_vm(w, "two");
}

void world_make_other(struct world *w, const struct world *first) {
    make(w);
    free(w->ctx.env.state_dir);
    w->ctx.env.state_dir = strdup(first->ctx.env.state_dir);
}

void world_end(struct world *w) {
    csb_hooks_close(w->hooks);
    csb__env_finish(&w->ctx.env);
}

char *world_socket(struct world *w, const char *vm) {
    char *path = NULL;

    ck_assert_int_eq(csb__hooks_socket_path(&w->ctx.env, vm, &path, NULL), 0);
    return path;
}

int world_client(struct world *w, const char *vm) {
    CSB__AUTOFREE char *path = world_socket(w, vm);
    int fd = csb__unix_connect(path);

    ck_assert_msg(fd >= 0, "nobody listens for %s", vm);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

void world_dispatch(struct world *w, int timeout_ms) {
    ck_assert_int_eq(csb_hooks_dispatch(w->hooks, timeout_ms, NULL), 0);
    for (int i = 0; i < WORLD_OTHERS_MAX && w->others[i]; i++) {
        ck_assert_int_eq(csb_hooks_dispatch(w->others[i]->hooks, 0, NULL), 0);
    }
}

void world_say(struct world *w, int fd, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t n = csb__write(fd, bytes, len);

        if (n < 0) {
            ck_assert_int_eq(errno, EAGAIN);
            world_dispatch(w, 10);
        } else {
            bytes += n;
            len -= (size_t)n;
        }
    }
}

void world_hear_for(struct world *w, int fd, struct csb__strbuf *out, int seconds) {
    int64_t until = csb__now_ms() + (int64_t)seconds * 1000;
    char buf[4096];
    ssize_t n;

    for (;;) {
        n = read(fd, buf, sizeof(buf));
        if (n > 0) {
            csb__strbuf_add(out, buf, (size_t)n);
        } else if (n == 0 || errno != EAGAIN || csb__now_ms() > until) {
            break;
        } else {
            world_dispatch(w, 10);
        }
    }
    csb__strbuf_add(out, "", 0);
}

void world_hear(struct world *w, int fd, struct csb__strbuf *out) {
    world_hear_for(w, fd, out, 20);
    ck_assert_msg(out->len > 0, "no answer");
}

void world_say_event(struct world *w, int fd, const char *json) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;

    csb__strbuf_printf(&text, "POST / HTTP/1.1\r\nContent-Length: %zu\r\n\r\n%s", strlen(json),
                       json);
    world_say(w, fd, text.data, text.len);
}

int world_ask(struct world *w, const char *vm, const char *json, struct csb__strbuf *body) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTOCLOSE int fd = world_client(w, vm);
    int status = 0;

    world_say_event(w, fd, json);
    world_hear(w, fd, &text);
    ck_assert_int_eq(sscanf(text.data, "HTTP/1.1 %d ", &status), 1);
    if (body) {
        csb__strbuf_puts(body, strstr(text.data, "\r\n\r\n") + 4);
    }
    return status;
}
