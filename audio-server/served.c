/* SPDX-License-Identifier: MIT */
/* Who calls is known by the socket he calls on. He has one line and little time to ask. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audio.h"

#define CALLERS_MAX 16
#define REQUEST_MAX 128
#define PATIENCE_MS 5000

/* Callers before their request. */
static struct caller {
    bool used;
    int fd;
    const struct vm *vm;
    int64_t deadline;
    size_t len;
    char line[REQUEST_MAX];
} callers[CALLERS_MAX];

static void forget(struct daemon *d, struct caller *c) {
    daemon_unwatch(d, c->fd);
    c->used = false;
}

static void turn_away(struct daemon *d, struct caller *c, const char *why) {
    forget(d, c);
    refuse(c->fd, why);
}

static void on_caller(struct daemon *d, int fd, short revents, void *userdata) {
    struct caller *c = userdata;
    ssize_t n = read(fd, c->line + c->len, sizeof(c->line) - 1 - c->len);
    struct request request;
    char *end;

    (void)revents;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        forget(d, c);
        close(fd);
        return;
    }
    c->len += (size_t)n;
    end = memchr(c->line, '\n', c->len);
    if (!end && c->len < sizeof(c->line) - 1) {
        return;
    }
    if (!end || end != c->line + c->len - 1 || strlen(c->line) < c->len) {
        turn_away(d, c, "not a request");
        return;
    }
    *end = '\0';
    if (!request_parse(c->line, &request)) {
        turn_away(d, c, "not a request");
        return;
    }
    forget(d, c);
    recording_begin(d, fd, c->vm->name, &request);
}

static void add_caller(struct daemon *d, const struct vm *vm, int fd) {
    for (int i = 0; i < CALLERS_MAX; i++) {
        struct caller *c = &callers[i];

        if (!c->used) {
            *c = (struct caller){true, fd, vm, daemon_now_ms() + PATIENCE_MS, 0, ""};
            if (daemon_watch(d, fd, POLLIN, on_caller, c) != 0) {
                turn_away(d, c, "out of memory");
            }
            return;
        }
    }
    refuse(fd, "busy: too many connections");
}

/* In the order they came, and not for ever: the others have a turn, too. */
static void on_listener(struct daemon *d, int fd, short revents, void *userdata) {
    (void)revents;
    for (int i = 0; i < 2 * CALLERS_MAX; i++) {
        int caller_fd = daemon_accept(fd);

        if (caller_fd < 0) {
            return;
        }
        add_caller(d, userdata, caller_fd);
    }
}

int served_tick(struct daemon *d) {
    int64_t now = daemon_now_ms();
    int64_t next = -1;

    for (int i = 0; i < CALLERS_MAX; i++) {
        struct caller *c = &callers[i];

        if (c->used && c->deadline <= now) {
            turn_away(d, c, "that took too long");
        } else if (c->used && (next < 0 || c->deadline < next)) {
            next = c->deadline;
        }
    }
    return next < 0 ? -1 : (int)(next - now);
}

/* As the library makes them: nothing that could mean anything in a path. */
static bool is_name(const char *name) {
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

    return len > 0 && len < VM_NAME_MAX && name[len] == '\0' && name[0] != '.';
}

/* FNV-1a: a short name for a path that has little room. */
static uint32_t hash(const char *text) {
    uint32_t h = 2166136261U;

    for (; *text; text++) {
        h = (h ^ (unsigned char)*text) * 16777619U;
    }
    return h;
}

static char *path_of(struct daemon *d, const char *name) {
    char *dir = daemon_private_dir(d, "run/audio");
    char *path = NULL;

    if (dir && asprintf(&path, "%s/%08x.sock", dir, hash(name)) < 0) {
        path = NULL;
        daemon_fail(d, "out of memory");
    }
    free(dir);
    return path;
}

/* 1: served already. */
static int find(const struct audio *a, const char *name, const char *path, const struct vm **ret) {
    for (int i = 0; i < a->n_vms; i++) {
        *ret = &a->vms[i];
        if (strcmp(a->vms[i].name, name) == 0) {
            return 1;
        }
        if (strcmp(a->vms[i].path, path) == 0) {
            return -1;
        }
    }
    return 0;
}

static int add(struct daemon *d, struct audio *a, const char *name, char *path) {
    struct vm *vm = &a->vms[a->n_vms];
    int fd = a->n_vms < VMS_MAX ? daemon_listen(d, path)
                                : daemon_fail(d, "it serves %d VMs; restart it", VMS_MAX);

    if (fd < 0) {
        return -1;
    }
    if (daemon_watch(d, fd, POLLIN, on_listener, vm) != 0) {
        close(fd);
        return -1;
    }
    snprintf(vm->name, sizeof(vm->name), "%s", name);
    vm->path = path;
    vm->fd = fd;
    a->n_vms++;
    return 0;
}

int served_add(struct daemon *d, const char *name, FILE *reply) {
    struct audio *a = daemon_userdata(d);
    const struct vm *vm = NULL;
    char *path;
    int found;

    if (!is_name(name)) {
        fputs("that is not the name of a VM", reply);
        return -1;
    }
    path = path_of(d, name);
    found = path ? find(a, name, path, &vm) : -1;
    if (!path) {
        fputs(daemon_reason(d), reply);
    } else if (found < 0) {
        fprintf(reply, "its socket would be the same as that of %s", vm->name);
    } else if (found == 0 && add(d, a, name, path) != 0) {
        fputs(daemon_reason(d), reply);
        found = -1;
    } else {
        fprintf(reply, "%s\n", path);
        path = found ? path : NULL; /* else it is kept */
        found = 0;
    }
    free(path);
    return found;
}

void served_close(struct daemon *d) {
    struct audio *a = daemon_userdata(d);

    for (int i = 0; i < CALLERS_MAX; i++) {
        if (callers[i].used) {
            turn_away(d, &callers[i], "the server ends");
        }
    }
    while (a->n_vms > 0) {
        struct vm *vm = &a->vms[--a->n_vms];

        daemon_remove_socket(vm->path);
        daemon_unwatch(d, vm->fd);
        close(vm->fd);
        free(vm->path);
    }
}
