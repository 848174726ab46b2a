/* SPDX-License-Identifier: MIT */
/* What Claude did last in the VMs: what the hooks server has logged; and what it does from now on. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "event_history.h"
#include "event_words.h"
#include "listen.h"
#include "servers.h"

#define LINES_DEFAULT 20
#define LINES_MAX 100000
#define TIME_MAX 32

struct events {
    const struct cli_options *o;
    const char *vm; /* NULL: all */
    char **lines;   /* the newest first, n of them */
    size_t n;
    char since[TIME_MAX]; /* what came then or later is heard, and not read; "" for none */
    int status;           /* -1 while there is somebody to tell */
};

/* Not by stdio: so each line is out at once, and nothing is left to be said at the end. Whoever reads it
 * may have seen enough. */
static void put(struct events *e, const char *text) {
    size_t len = strlen(text);

    while (len > 0 && e->status < 0) {
        ssize_t n = write(STDOUT_FILENO, text, len);

        if (n >= 0) {
            text += n;
            len -= (size_t)n;
        } else if (errno == EPIPE) {
            e->status = 0;
        } else if (errno != EINTR) {
            cli_print_safe("the output could not be written");
            e->status = EXIT_SANDBOX;
        } else if (cli_is_interrupted()) {
            e->status = EXIT_INTERRUPTED;
        }
    }
}

/* The line for it, to be freed; NULL where there is nothing to be said. */
static char *line_of(const struct events *e, const char *when, const char *vm,
                     const json_t *event) {
    struct event_words words;
    char *text = NULL;
    size_t len = 0;
    FILE *f;

    if (e->vm && strcmp(e->vm, vm) != 0) {
        return NULL;
    }
    event_words(event, &words);
    if (!words.matters && !e->o->json) {
        return NULL;
    }
    f = open_memstream(&text, &len);
    if (f && e->o->json) {
        (void)event_print_json(f, when, vm, &words);
    } else if (f) {
        event_print(f, when, vm, &words);
    }
    if (f && fclose(f) == 0) {
        return text;
    }
    return NULL;
}

static bool take_old(const char *when, const char *vm, const json_t *event, void *userdata) {
    struct events *e = userdata;
    bool is_new = *e->since && strcmp(when, e->since) >= 0;
    char *line = is_new ? NULL : line_of(e, when, vm, event);

    if (line) {
        e->lines[e->n++] = line;
    }
    return line != NULL;
}

/* It is read from its end, and told from the beginning. */
static void put_last(struct events *e, const char *state_dir, size_t n) {
    e->lines = calloc(n + 1, sizeof(*e->lines));
    if (e->lines) {
        event_history_read(state_dir, n, take_old, e);
    }
    while (e->n > 0) {
        e->n--;
        put(e, e->lines[e->n]);
        free(e->lines[e->n]);
    }
    free(e->lines);
    e->lines = NULL;
}

/* As in the log, so that they can be compared. */
static void print_now(char *out, size_t size) {
    struct timespec now;
    struct tm tm;
    char text[24];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, size, "%s.%03dZ", text, (int)(now.tv_nsec / 1000000 % 1000));
}

static void put_lost(struct events *e, const char *when, uint64_t lost) {
    char line[128];

    if (e->o->json) {
        snprintf(line, sizeof(line), "{\"time\":\"%s\",\"lost\":%" PRIu64 "}\n", when, lost);
    } else {
        snprintf(line, sizeof(line), "(%" PRIu64 " event%s lost)\n", lost, lost == 1 ? "" : "s");
    }
    put(e, line);
}

/* What our parser does not take is told by what the library has understood. */
static json_t *parse(const csb_event *event) {
    size_t len = 0;
    const char *text = csb_event_json(event, &len);
    json_t *json = json_loadb(text, len, JSON_ALLOW_NUL, NULL);

    return json ? json
                : json_pack("{s:s, s:s?, s:s?}", "hook_event_name", csb_event_name(event),
                            "session_id", csb_event_session(event), "tool_name",
                            csb_event_tool(event));
}

static int on_event(const csb_event *event, csb_reply *reply, void *userdata) {
    struct events *e = userdata;
    char now[TIME_MAX];

    (void)reply;
    print_now(now, sizeof(now));
    if (csb_event_lost(event) > 0) {
        put_lost(e, now, csb_event_lost(event));
    }
    if (!e->vm || strcmp(e->vm, csb_event_vm(event)) == 0) {
        json_t *json = parse(event);
        char *line = line_of(e, now, csb_event_vm(event), json);

        put(e, line ? line : "");
        free(line);
        json_decref(json);
    }
    return e->status >= 0;
}

/* First it is listened, so that nothing is missed between what was and what comes. */
static int follow(struct events *e, csb_ctx *ctx, size_t n) {
    struct listener l = {.ctx = ctx, .fn = on_event, .userdata = e};
    csb_error *err = NULL;
    bool told = false;

    cli_start_hooks();
    if (listen_open(&l, &err) != 0) {
        return cli_report(err);
    }
    print_now(e->since, sizeof(e->since));
    put_last(e, csb_ctx_state_dir(ctx), n);
    while (e->status < 0) {
        int status = listen_wait(&l, INT_MAX);

        e->status = e->status < 0 ? status : e->status;
        if (e->status < 0 && !l.hooks && !told) {
            cli_print_safe(HOOKS_SERVER " has ended; going on when there is another one");
        }
        told = !l.hooks;
    }
    listen_end(&l);
    return e->status;
}

static int parse_lines(const char *text, size_t *ret) {
    char *end = NULL;
    unsigned long n = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;

    if (!end || *end || n > LINES_MAX) {
        return cli_usage_error("--lines %s: not a number from 0 to %d", text, LINES_MAX);
    }
    *ret = n;
    return -1;
}

/* The one whose events are asked for, if it is one. What a VM that is gone has said is told all the
 * same, but nobody shall wait for a name that was mistyped. */
static int choose_vm(csb_ctx *ctx, const struct cli_options *o, csb_vm **ret) {
    csb_error *err = NULL;
    char text[256];
    int rc = 0;

    if (o->vm && o->dir) {
        return cli_usage_error("either --vm or --dir, not both");
    }
    if (o->dir) {
        rc = csb_vm_for_project(ctx, o->dir, ret, &err);
        return rc == 0 ? -1 : cli_report(err);
    }
    if (o->vm) {
        rc = csb_vm_open(ctx, o->vm, ret, &err);
    }
    if (rc == CSB_EINVAL || rc == CSB_ECANCELED) {
        return cli_report(err);
    }
    csb_error_free(err);
    if (rc == CSB_ENOTFOUND) {
        snprintf(text, sizeof(text), "there is no VM called %s now", o->vm);
        cli_print_safe(text);
    }
    return -1;
}

static int run(csb_ctx *ctx, const struct cli_options *o) {
    struct events e = {.o = o, .status = -1};
    size_t n = LINES_DEFAULT;
    csb_vm *vm = NULL;
    int status = o->lines ? parse_lines(o->lines, &n) : -1;

    if (status < 0) {
        status = choose_vm(ctx, o, &vm);
    }
    if (status >= 0) {
        return status;
    }
    e.vm = vm ? csb_vm_name(vm) : o->vm;
    if (o->follow) {
        e.status = follow(&e, ctx, n);
    } else {
        put_last(&e, csb_ctx_state_dir(ctx), n);
    }
    csb_vm_free(vm);
    return e.status < 0 ? 0 : e.status;
}

const struct cli_command cmd_events = {
    .name = "events",
    .arguments = "",
    .summary = "what Claude did last in the VMs: works, waits for you, is done",
    .run = run,
};
