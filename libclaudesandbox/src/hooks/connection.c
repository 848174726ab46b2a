/* SPDX-License-Identifier: MIT */
/* One connection: a request comes, waits for its turn, is answered. Nothing here blocks. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/posix.h"
#include "hooks/server.h"

#define READ_SIZE ((size_t)64 << 10)
/* Then it is the others' turn. */
#define READS_MAX 4
#define SPARE_MAX ((size_t)512 << 10)

static void poll_for(struct csb__conn *c, unsigned events) {
    if (csb__poller_set(&c->server->loop->poller, c->fd, c->polled, events, &c->watch) == 0) {
        c->polled = events;
    } else {
        csb__conn_close(c);
    }
}

/* One buffer goes from request to request: what is new to the kernel has to be cleared by it, and
 * that takes longer than all that we do with it. */
static void lend_buffer(struct csb__conn *c) {
    if (!c->http.body.data) {
        c->http.body = c->server->spare;
        c->server->spare = (struct csb__strbuf)CSB__STRBUF_INIT;
    }
}

static void take_buffer_back(struct csb__conn *c) {
    struct csb__strbuf *body = &c->http.body;
    struct csb__strbuf *spare = &c->server->spare;

    if (body->data && !body->failed && body->cap <= SPARE_MAX && body->cap > spare->cap) {
        csb__strbuf_free(spare);
        *spare = *body;
        spare->len = 0;
        *body = (struct csb__strbuf)CSB__STRBUF_INIT;
    }
}

/* What the request took up. */
static void release_request(struct csb__conn *c) {
    take_buffer_back(c);
    if (c->has_event) {
        csb__event_finish(&c->event);
        c->has_event = false;
    }
    csb__strbuf_free(&c->http.head);
    csb__strbuf_free(&c->http.body);
    csb__account_give(&c->inlet->memory, &c->server->memory, c->reserved);
    c->reserved = 0;
}

void csb__conn_close(struct csb__conn *c) {
    struct csb__server *s = c->server;

    if (c->fd < 0) {
        return;
    }
    if (c->polled) {
        (void)csb__poller_set(&s->loop->poller, c->fd, c->polled, 0, NULL);
    }
    close(c->fd);
    c->fd = -1;
    csb__question_end(c);
    release_request(c);
    csb__strbuf_free(&c->out);
    if (c->next) {
        c->next->prev = c->prev;
    }
    if (c->prev) {
        c->prev->next = c->next;
    } else {
        s->connections = c->next;
    }
    /* The poller may have told of it in this very round. */
    c->next = s->dead;
    s->dead = c;
    csb__server_conn_gone(s, c->inlet);
}

/* Somebody who still sends would lose the answer if we closed now. */
static void finish(struct csb__conn *c) {
    if (c->http.state != CSB__HTTP_REFUSED) {
        csb__conn_close(c);
        return;
    }
    shutdown(c->fd, SHUT_WR);
    c->state = CSB__CONN_LINGERING;
    poll_for(c, CSB__POLL_IN);
}

static void write_some(struct csb__conn *c) {
    while (c->sent < c->out.len) {
        ssize_t n = csb__send(c->fd, c->out.data + c->sent, c->out.len - c->sent);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            poll_for(c, CSB__POLL_OUT);
            return;
        }
        if (n < 0) {
            csb__conn_close(c);
            return;
        }
        c->sent += (size_t)n;
    }
    finish(c);
}

void csb__conn_answer(struct csb__conn *c, int status, const char *json, size_t len) {
    csb__http_answer(&c->out, status, json, len);
    if (c->out.failed) {
        csb__conn_close(c);
        return;
    }
    if (status != 200) {
        c->inlet->refused++;
        c->inlet->last_status = status;
        csb__server_arm(c->server);
    }
    csb__question_end(c);
    release_request(c);
    c->state = CSB__CONN_WRITING;
    c->deadline = csb__now_ms() + c->server->limits.linger_ms;
    write_some(c);
}

void csb__conn_rest(struct csb__conn *c) {
    release_request(c);
    poll_for(c, CSB__POLL_IN);
}

static void refuse(struct csb__conn *c, int status) {
    csb__http_refuse(&c->http, status);
    csb__conn_answer(c, status, NULL, 0);
}

/* The head is there: whether there is room for what it announces. */
static int admit(struct csb__conn *c) {
    struct csb__server *s = c->server;
    size_t n = c->http.content_length;

    if (!csb__bucket_take(&c->inlet->bucket, &s->limits, csb__now_ms())) {
        return 429;
    }
    if (!csb__account_take(&c->inlet->memory, &s->memory, &s->limits, n)) {
        return 503;
    }
    c->reserved = n;
    lend_buffer(c);
    if (c->http.wants_continue && c->http.state == CSB__HTTP_BODY) {
        /* The first bytes ever sent there: they fit. */
        (void)csb__send(c->fd, CSB__HTTP_CONTINUE, strlen(CSB__HTTP_CONTINUE));
    }
    return 0;
}

static void take_event(struct csb__conn *c) {
    struct csb__http *http = &c->http;
    int rc = csb__event_parse(c->inlet->vm, csb__strbuf_text(&http->body), http->body.len,
                              &c->event, NULL);

    if (rc != 0) {
        refuse(c, rc == CSB_ENOMEM ? 503 : 400);
        return;
    }
    c->event.project = c->inlet->project;
    c->has_event = true;
    c->state = CSB__CONN_WAITING;
    poll_for(c, 0);
    if (c->fd >= 0) {
        csb__queue_push(&c->server->queue, &c->inlet->line, &c->waiter);
    }
}

static void take_bytes(struct csb__conn *c, const char *bytes, size_t len) {
    struct csb__http *http = &c->http;
    size_t n = csb__http_feed(http, bytes, len, c->server->limits.body_max);

    if (http->state == CSB__HTTP_BODY || http->state == CSB__HTTP_DONE) {
        int status = c->reserved == 0 ? admit(c) : 0;

        if (status != 0) {
            refuse(c, status);
            return;
        }
        csb__http_feed(http, bytes + n, len - n, c->server->limits.body_max);
    }
    if (http->state == CSB__HTTP_REFUSED) {
        refuse(c, http->status);
    } else if (http->state == CSB__HTTP_DONE) {
        take_event(c);
    }
}

/* False when there is nothing more to read for now. */
static bool read_some(struct csb__conn *c) {
    ssize_t n = read(c->fd, c->server->buffer, READ_SIZE);

    if (n > 0 && c->state == CSB__CONN_READING) {
        take_bytes(c, c->server->buffer, (size_t)n);
    } else if (n == 0 && c->state == CSB__CONN_READING && c->http.state == CSB__HTTP_BODY) {
        refuse(c, 400);
    } else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        csb__conn_close(c);
    }
    return n > 0;
}

/* Who waits for an answer is silent: an end, or more bytes, is somebody who does not. */
static void look_after(struct csb__conn *c) {
    char byte;

    if (read(c->fd, &byte, 1) >= 0 || (errno != EAGAIN && errno != EINTR)) {
        csb__conn_close(c);
    }
}

static void conn_ready(void *owner) {
    struct csb__conn *c = owner;

    if (c->fd < 0) {
        return; /* closed in this very round */
    }
    if (c->state == CSB__CONN_WRITING) {
        write_some(c);
        return;
    }
    if (c->state == CSB__CONN_ASKING) {
        look_after(c);
        return;
    }
    for (int i = 0; i < READS_MAX && c->fd >= 0; i++) {
        if ((c->state != CSB__CONN_READING && c->state != CSB__CONN_LINGERING) || !read_some(c)) {
            break;
        }
    }
}

void csb__conn_tick(struct csb__conn *c, int64_t now_ms) {
    if (c->state == CSB__CONN_ASKING) {
        csb__question_tick(c, now_ms);
        return;
    }
    if (c->state == CSB__CONN_WAITING || now_ms < c->deadline) {
        return;
    }
    if (c->state == CSB__CONN_READING) {
        refuse(c, 408);
    } else {
        csb__conn_close(c);
    }
}

static bool is_ours(int fd) {
    uid_t uid;

    return csb__peer_uid(fd, &uid) == 0 && uid == geteuid();
}

static struct csb__conn *new_conn(struct csb__server *s, struct csb__inlet *inlet, int fd) {
    struct csb__conn *c = calloc(1, sizeof(*c));

    if (!c) {
        return NULL;
    }
    c->watch = (struct csb__watch){conn_ready, c};
    c->server = s;
    c->inlet = inlet;
    c->fd = fd;
    c->http = (struct csb__http)CSB__HTTP_INIT;
    c->deadline = csb__now_ms() + s->limits.request_ms;
    c->next = s->connections;
    if (c->next) {
        c->next->prev = c;
    }
    s->connections = c;
    s->n_connections++;
    inlet->n_connections++;
    return c;
}

void csb__conn_accept(struct csb__server *s, struct csb__inlet *inlet) {
    struct csb__conn *c;
    int fd = csb__accept(inlet->endpoint.fd);

    if (fd < 0) {
        /* Nobody there any more is no reason to rest; no descriptors is. */
        s->starved = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        return;
    }
    c = is_ours(fd) ? new_conn(s, inlet, fd) : NULL;
    if (!c) {
        close(fd);
        return;
    }
    csb__server_arm(s);
    /* Whoever connects has something to say, mostly at once. */
    conn_ready(c);
    if (c->fd >= 0 && c->state == CSB__CONN_READING) {
        poll_for(c, CSB__POLL_IN);
    }
}
