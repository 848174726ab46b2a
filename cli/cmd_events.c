/* SPDX-License-Identifier: MIT */
/* What Claude did last in the VMs: what the hooks server has logged. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "event_history.h"
#include "event_words.h"

#define LINES_DEFAULT 20
#define LINES_MAX 100000

struct events {
    const struct cli_options *o;
    const char *vm; /* NULL: all */
    char **lines;   /* the newest first, n of them */
    size_t n;
    int status; /* -1 while there is somebody to tell */
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
    char *line = line_of(e, when, vm, event);

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

static int parse_lines(const char *text, size_t *ret) {
    char *end = NULL;
    unsigned long n = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;

    if (!end || *end || n > LINES_MAX) {
        return cli_usage_error("--lines %s: not a number from 0 to %d", text, LINES_MAX);
    }
    *ret = n;
    return -1;
}

static int run(csb_ctx *ctx, const struct cli_options *o) {
    struct events e = {.o = o, .vm = o->vm, .status = -1};
    size_t n = LINES_DEFAULT;
    int status = o->lines ? parse_lines(o->lines, &n) : -1;

    if (status >= 0) {
        return status;
    }
    put_last(&e, csb_ctx_state_dir(ctx), n);
    return e.status < 0 ? 0 : e.status;
}

const struct cli_command cmd_events = {
    .name = "events",
    .arguments = "",
    .summary = "what Claude did last in the VMs: works, waits for you, is done",
    .run = run,
};
