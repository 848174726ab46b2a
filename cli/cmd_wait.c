/* SPDX-License-Identifier: MIT */
/* Waits for Claude in one VM. What is true is what Claude's sessions say; hooks tell when to look, and that
 * Claude has begun to work before it says so itself. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "event_history.h"
#include "listen.h"
#include "wait_state.h"

/* Of one look. */
#define LOOK_MS 20000
/* So long a VM that runs may not answer, as one that reboots. */
#define SILENCE_MS 120000

struct waiting {
    struct wait_state state;
    struct listener listener;
    csb_vm *vm;
    int64_t until;        /* -1: no limit */
    int64_t silent_since; /* -1: it answers */
    bool verbose;
};

static int on_event(const csb_event *event, csb_reply *reply, void *userdata) {
    struct waiting *w = userdata;

    (void)reply;
    if (strcmp(csb_event_vm(event), csb_vm_name(w->vm)) == 0) {
        wait_heard(&w->state, csb_event_name(event), listen_now_ms());
    }
    return 0;
}

/* Its state after it could not be asked; one that is gone is like one that is stopped. */
static int state_now(csb_vm *vm) {
    csb_error *err = NULL;
    int rc = csb_vm_refresh(vm, &err);

    csb_error_free(err);
    return rc == CSB_ENOTFOUND ? CSB_VM_STOPPED : rc == 0 ? csb_vm_state(vm) : CSB_VM_RUNNING;
}

/* One that does not run has no Claude in it. One that runs may not answer for a while. */
static int look_closer(struct waiting *w, csb_error *err) {
    int64_t now = listen_now_ms();
    int state = csb_error_code(err) == CSB_ECANCELED ? CSB_VM_RUNNING : state_now(w->vm);

    if (cli_is_interrupted()) {
        csb_error_free(err);
        return EXIT_INTERRUPTED;
    }
    w->silent_since = w->silent_since < 0 ? now : w->silent_since;
    if (state == CSB_VM_BROKEN ||
        (state == CSB_VM_RUNNING && now - w->silent_since >= SILENCE_MS)) {
        return cli_report(err);
    }
    if (w->verbose) {
        cli_print_safe(csb_error_message(err));
    }
    csb_error_free(err);
    wait_missed(&w->state, now);
    return state == CSB_VM_RUNNING ? -1 : 0;
}

/* 0: it is so; -1: not yet; else the exit status of what went wrong. */
static int look(struct waiting *w) {
    csb_error *err = NULL;
    int activity = CSB_ACTIVITY_NONE;

    if (csb_vm_activity(w->vm, &activity, &err) != 0) {
        return look_closer(w, err);
    }
    w->silent_since = -1;
    return wait_saw(&w->state, activity, listen_now_ms()) ? 0 : -1;
}

/* How long ago that was, in milliseconds; -1 for no time of the log. */
static int64_t age_of(const char *when) {
    struct timespec now;
    struct tm tm = {0};
    const char *rest = strptime(when, "%Y-%m-%dT%H:%M:%S", &tm);
    int ms = 0;

    if (!rest || (*rest == '.' && sscanf(rest, ".%3d", &ms) != 1)) {
        return -1;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    return ((int64_t)now.tv_sec - (int64_t)timegm(&tm)) * 1000 + now.tv_nsec / 1000000 - ms;
}

/* The newest event of the machine, where there is one that is fresh. */
static bool take_past(const char *when, const char *vm, const json_t *event, void *userdata) {
    struct waiting *w = userdata;
    const char *name = json_string_value(json_object_get(event, "hook_event_name"));
    int64_t age = age_of(when);

    if (age < 0 || age >= WAIT_FRESH_MS) {
        return true; /* and so are all before it */
    }
    if (!name || strcmp(vm, csb_vm_name(w->vm)) != 0) {
        return false;
    }
    wait_heard(&w->state, name, listen_now_ms() - age);
    return true;
}

static int wait_for_it(struct waiting *w) {
    for (;;) {
        int64_t now = listen_now_ms();
        int status = now >= w->state.next_look ? look(w) : -1;
        int64_t next = w->state.next_look;

        now = listen_now_ms();
        if (status < 0 && w->until >= 0 && now >= w->until) {
            return w->state.true_since >= 0 ? 0 : EXIT_TIMEOUT;
        }
        next = w->until >= 0 && w->until < next ? w->until : next;
        if (status < 0) {
            status = listen_wait(&w->listener, next - now);
            w->state.hears = w->listener.hooks != NULL;
        }
        if (status >= 0) {
            return status;
        }
    }
}

static void say_what_for(const csb_vm *vm, int goal) {
    static const char *const whats[] = {"has finished its turn", "has finished its turn or asks",
                                        "has ended"};
    char text[512];

    snprintf(text, sizeof(text), "waiting until Claude in %s %s", csb_vm_name(vm), whats[goal]);
    cli_print_safe(text);
}

/* By a handle of its own, whose patience is short. */
static int wait_vm(csb_vm *vm, const struct cli_options *o) {
    struct waiting w = {.until = -1, .silent_since = -1, .verbose = o->verbose};
    csb_ctx *ctx = cli_new_hasty_context(o, LOOK_MS);
    csb_error *err = NULL;
    int status = EXIT_SANDBOX;
    int64_t ms;

    wait_begin(&w.state, o->wait_for ? wait_goal(o->wait_for) : WAIT_FOR_IDLE);
    if (o->timeout && cli_parse_duration("timeout", o->timeout, &ms) < 0) {
        w.until = listen_now_ms() + ms;
    }
    if (o->verbose) {
        say_what_for(vm, w.state.goal);
    }
    if (ctx && csb_vm_open(ctx, csb_vm_name(vm), &w.vm, &err) == 0) {
        w.listener = (struct listener){.ctx = ctx, .fn = on_event, .userdata = &w};
        event_history_read(csb_ctx_state_dir(ctx), 1, take_past, &w);
        status = wait_for_it(&w);
        listen_end(&w.listener);
    } else if (err) {
        status = cli_report(err);
    }
    csb_vm_free(w.vm);
    cli_free_context(ctx);
    return status;
}

static int run(csb_ctx *ctx, const struct cli_options *o) {
    int64_t ms;
    int status = o->timeout ? cli_parse_duration("timeout", o->timeout, &ms) : -1;

    if (status < 0 && o->wait_for && wait_goal(o->wait_for) < 0) {
        status = cli_usage_error("--for %s: neither idle nor input nor exit", o->wait_for);
    }
    if (status < 0 && o->n_names > 1) {
        status = cli_usage_error("wait is for one VM at a time");
    }
    return status < 0 ? cli_for_each(ctx, o, wait_vm) : status;
}

const struct cli_command cmd_wait = {
    .name = "wait",
    .arguments = "[VM]",
    .summary = "until Claude has finished its turn, asks, or has ended (--for)",
    .takes_names = true,
    .run = run,
};
