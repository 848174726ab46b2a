/* SPDX-License-Identifier: MIT */
#include "hooks/subscriber.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/posix.h"
#include "hooks/endpoint.h"
#include "hooks/event.h"
#include "hooks/promise.h"

#define READ_SIZE ((size_t)16 << 10)
/* Of one dispatch; then the caller's own loop has its turn. */
#define READS_MAX 16
#define EVENTS_MAX 256
/* So much unsent is a server that does not read: then we don't either. */
#define OUT_MAX ((size_t)1 << 20)

static bool is_stuck(const struct csb__subscriber *s) {
    return s->out.len - s->sent > OUT_MAX;
}

static void poll_for_more(struct csb__subscriber *s) {
    unsigned events = is_stuck(s) ? 0 : CSB__POLL_IN;

    events |= s->out.len > 0 ? CSB__POLL_OUT : 0U;
    if (csb__poller_set(&s->loop->poller, s->fd, s->polled, events, &s->watch) == 0) {
        s->polled = events;
    } else {
        s->ended = true;
    }
}

void csb__subscriber_flush(struct csb__subscriber *s) {
    while (s->sent < s->out.len && !s->ended) {
        ssize_t n = csb__send(s->fd, s->out.data + s->sent, s->out.len - s->sent);

        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            break;
        }
        if (n < 0 && errno != EINTR) {
            /* What it has said until then may still be read, and then its end. */
            s->sent = s->out.len;
        } else if (n > 0) {
            s->sent += (size_t)n;
        }
    }
    if (s->sent == s->out.len) {
        s->ended |= s->out.failed;
        csb__strbuf_free(&s->out);
        s->sent = 0;
    }
    if (!s->ended) {
        poll_for_more(s);
    }
}

static void drop_taken(struct csb__subscriber *s) {
    if (s->taken == s->in.len) {
        csb__strbuf_free(&s->in);
    } else if (s->taken > 0) {
        csb__strbuf_keep_tail(&s->in, s->in.len - s->taken);
    }
    s->taken = 0;
}

static ssize_t next_frame(const struct csb__subscriber *s, struct csb__frame *ret) {
    return csb__frame_read(csb__strbuf_text(&s->in) + s->taken, s->in.len - s->taken, ret);
}

static void read_some(struct csb__subscriber *s) {
    struct csb__frame frame;
    char buf[READ_SIZE];

    drop_taken(s);
    if (next_frame(s, &frame) > 0) {
        return; /* first what is there */
    }
    for (int i = 0; i < READS_MAX && !is_stuck(s); i++) {
        ssize_t n = read(s->fd, buf, sizeof(buf));

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (n > 0) {
            csb__strbuf_add(&s->in, buf, (size_t)n);
        }
        if (n <= 0 || s->in.failed) {
            s->ended = true;
            return;
        }
    }
}

static void ready(void *owner) {
    struct csb__subscriber *s = owner;

    csb__subscriber_flush(s);
    if (!s->ended) {
        read_some(s);
    }
}

/* -- what it says -- */

/* What the callback said is on its way when this returns; so is that it is held. */
static void answer(struct csb__subscriber *s, uint64_t id, const csb_reply *reply) {
    size_t start = s->out.len;

    if (s->watches) {
        return;
    }
    if (reply->state == CSB__REPLY_MOVED) {
        csb__frame_begin(&s->out, CSB__FRAME_HELD, id);
        csb__frame_end(&s->out, start);
    } else {
        csb__frame_add_answer(&s->out, id, reply);
    }
    csb__subscriber_flush(s);
}

/* The callback's value, or an error. */
static int take_event(struct csb__subscriber *s, const struct csb__frame *frame, csb_hook_fn fn,
                      void *userdata, csb_error **err) {
    struct csb__promiser promiser = CSB__PROMISER(s, frame->id);
    struct csb__frame_event e;
    csb_reply reply = {0};
    csb_event event;
    int rc;

    if (!csb__frame_event(frame, &e)) {
        return csb__fail(err, CSB_EPROTOCOL, "an event that can't be read");
    }
    rc = csb__event_parse(e.vm, e.json, e.json_len, &event, err);
    if (rc != 0) {
        return rc;
    }
    event.project = e.project;
    event.lost = e.lost;
    promiser.vm = e.vm;
    reply.event = csb_event_name(&event);
    reply.asker = &promiser.asker;
    reply.state = s->watches ? CSB__REPLY_WATCHED : CSB__REPLY_NOW;
    rc = fn(&event, &reply, userdata);
    answer(s, frame->id, &reply);
    csb__reply_finish(&reply);
    csb__event_finish(&event);
    return rc == 0 ? 0 : csb__fail(err, CSB_EUSER, "stopped by the callback");
}

static int take_frame(struct csb__subscriber *s, const struct csb__frame *frame, csb_hook_fn fn,
                      void *userdata, csb_error **err) {
    switch (frame->type) {
    case CSB__FRAME_WELCOME:
        if (!csb__frame_byte(frame, &s->status) || s->status != 0) {
            s->ended = true;
        }
        return 0;
    case CSB__FRAME_EVENT:
        return take_event(s, frame, fn, userdata, err);
    case CSB__FRAME_GONE:
        csb__promise_gone(s, frame->id);
        return 0;
    default:
        return csb__fail(err, CSB_EPROTOCOL, "a message of an unknown kind");
    }
}

static int say_end(const struct csb__subscriber *s, csb_error **err) {
    switch (s->status) {
    case 0:
        csb__fail(err, CSB_ENOTFOUND, "the program that listened for the hooks has ended");
        break;
    case 1:
        csb__fail(err, CSB_EBUSY, "the program that listens for the hooks is of another version");
        csb__error_set_hint(err, "claude-hooks-server restart");
        return CSB_EBUSY;
    default:
        return csb__fail(err, CSB_EBUSY, "too many programs listen for the hooks");
    }
    csb__error_set_hint(err, "claude-hooks-server start");
    return CSB_ENOTFOUND;
}

int csb__subscriber_deliver(struct csb__subscriber *s, csb_hook_fn fn, void *userdata,
                            csb_error **err) {
    struct csb__frame frame;
    ssize_t n = 0;
    int rc = 0;

    for (int i = 0; rc == 0 && i < EVENTS_MAX && s->status == 0; i++) {
        n = next_frame(s, &frame);
        if (n <= 0) {
            break;
        }
        s->taken += (size_t)n;
        rc = take_frame(s, &frame, fn, userdata, err);
    }
    if (rc == CSB_EPROTOCOL || n < 0) {
        s->ended = true;
        s->taken = s->in.len;
        n = 0;
    }
    if (n > 0) {
        csb__loop_wakeup(s->loop); /* there may be more */
        return rc;
    }
    if (s->ended) {
        csb__promise_gone_all(s);
    }
    return rc == 0 && s->ended ? say_end(s, err) : rc;
}

/* -- to and fro -- */

static int connect_to(const char *path, int *ret, csb_error **err) {
    CSB__AUTOCLOSE int fd = csb__fd_move_up(csb__unix_connect_at_once(path));
    uid_t uid;

    if (fd < 0 && (errno == ENOENT || errno == ECONNREFUSED)) {
        csb__fail(err, CSB_ENOTFOUND, "nobody listens for the hooks of these VMs");
        csb__error_set_hint(err, "claude-hooks-server start");
        return CSB_ENOTFOUND;
    }
    if (fd < 0 && errno == EAGAIN) {
        return csb__hooks_fail_busy(err); /* it is stopped, or hangs */
    }
    if (fd < 0 || csb__peer_uid(fd, &uid) != 0) {
        return csb__fail_errno(err, errno, "can't connect to %s", path);
    }
    if (uid != geteuid()) {
        return csb__fail(err, CSB_EPROTOCOL, "%s is served by another user", path);
    }
    *ret = fd;
    fd = -1;
    return 0;
}

int csb__subscriber_open(struct csb__subscriber *s, const struct csb__env *env,
                         struct csb__loop *loop, bool watches, csb_error **err) {
    CSB__AUTOFREE char *path = NULL;
    int rc = csb__hooks_relay_path(env, &path, err);

    *s = (struct csb__subscriber)CSB__SUBSCRIBER_INIT;
    s->loop = loop;
    s->watch = (struct csb__watch){ready, s};
    s->watches = watches;
    if (rc == 0) {
        rc = connect_to(path, &s->fd, err);
    }
    if (rc != 0) {
        return rc;
    }
    csb__frame_begin(&s->out, CSB__FRAME_HELLO, CSB__FRAME_VERSION);
    csb__frame_add_byte(&s->out, watches);
    csb__frame_end(&s->out, 0);
    csb__subscriber_flush(s);
    return s->ended ? csb__fail_nomem(err) : 0;
}

void csb__subscriber_close(struct csb__subscriber *s) {
    csb__promise_gone_all(s);
    if (s->polled) {
        (void)csb__poller_set(&s->loop->poller, s->fd, s->polled, 0, NULL);
    }
    csb__cleanup_close(&s->fd);
    csb__strbuf_free(&s->in);
    csb__strbuf_free(&s->out);
    *s = (struct csb__subscriber)CSB__SUBSCRIBER_INIT;
}
