/* SPDX-License-Identifier: MIT */
/* The server's side of the control socket: one line comes, "ok" or "failed" and an answer go back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#define PATIENCE_MS 2000

static void drop(struct daemon *d, struct client *c) {
    daemon_unwatch(d, c->fd);
    close(c->fd);
    c->fd = -1;
}

/* 0, or -1 with the reason in the answer. */
static int obey(struct daemon *d, const char *line, FILE *answer) {
    if (strcmp(line, "ping") == 0) {
        fprintf(answer, "%ld", (long)getpid());
    } else if (strcmp(line, "stop") == 0) {
        daemon_stop(d);
    } else if (strcmp(line, "status") == 0 || strcmp(line, "status json") == 0) {
        daemon__status_text(d, strcmp(line, "status") != 0, answer);
    } else if (d->program->control) {
        return d->program->control(d, line, answer);
    } else {
        fputs("unknown request", answer);
        return -1;
    }
    return 0;
}

/* An answer fits into the buffer of a socket: a client that doesn't read it keeps nobody waiting. */
static void answer(struct daemon *d, struct client *c) {
    char body[REPLY_MAX_BYTES] = "";
    char text[REPLY_MAX_BYTES + 16];
    FILE *out = fmemopen(body, sizeof(body), "w");
    int rc = out ? obey(d, c->line, out) : -1;
    ssize_t n;

    if (out) {
        fclose(out);
    }
    body[sizeof(body) - 1] = '\0';
    snprintf(text, sizeof(text), "%s\n%s", rc == 0 ? "ok" : "failed", body);
    n = write(c->fd, text, strlen(text));
    (void)n;
    drop(d, c);
}

static void on_client(struct daemon *d, int fd, short revents, void *userdata) {
    struct client *c = userdata;
    ssize_t n = read(fd, c->line + c->len, sizeof(c->line) - 1 - c->len);
    char *end;

    (void)revents;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        drop(d, c);
        return;
    }
    c->len += (size_t)n;
    end = memchr(c->line, '\n', c->len);
    if (end) {
        *end = '\0';
        answer(d, c);
    } else if (c->len == sizeof(c->line) - 1) {
        drop(d, c);
    }
}

static struct client *free_client(struct daemon *d) {
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (d->clients[i].fd < 0) {
            return &d->clients[i];
        }
    }
    return NULL;
}

/* When all places are taken, the rest waits in the backlog: each place is free again soon. */
static void on_listener(struct daemon *d, int fd, short revents, void *userdata) {
    struct client *c;

    (void)revents;
    (void)userdata;
    while ((c = free_client(d))) {
        c->fd = daemon_accept(fd);
        if (c->fd < 0) {
            return;
        }
        c->len = 0;
        c->deadline = daemon_now_ms() + PATIENCE_MS;
        if (daemon_watch(d, c->fd, POLLIN, on_client, c) != 0) {
            drop(d, c);
        }
    }
}

int daemon__control_open(struct daemon *d) {
    d->listen_fd = daemon_listen(d, d->ctl_path);
    if (d->listen_fd < 0) {
        return -1;
    }
    return daemon_watch(d, d->listen_fd, POLLIN, on_listener, NULL);
}

void daemon__control_close(struct daemon *d) {
    if (d->listen_fd >= 0) {
        daemon_remove_socket(d->ctl_path);
        daemon_unwatch(d, d->listen_fd);
        close(d->listen_fd);
        d->listen_fd = -1;
    }
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (d->clients[i].fd >= 0) {
            drop(d, &d->clients[i]);
        }
    }
}

int daemon__control_tick(struct daemon *d) {
    int64_t now = daemon_now_ms();
    int64_t next = -1;
    bool full = true;

    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct client *c = &d->clients[i];

        if (c->fd >= 0 && c->deadline <= now) {
            drop(d, c);
        }
        if (c->fd >= 0) {
            next = next < 0 || c->deadline < next ? c->deadline : next;
        } else {
            full = false;
        }
    }
    if (d->listen_fd >= 0) {
        (void)daemon_watch(d, d->listen_fd, full ? 0 : POLLIN, on_listener, NULL);
    }
    return next < 0 ? -1 : (int)(next - now);
}
