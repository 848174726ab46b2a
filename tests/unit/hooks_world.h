/* SPDX-License-Identifier: MIT */
/* Whoever listens to hooks, and those who talk to it as VMs do: all in one thread, in turn. */
#ifndef TEST_HOOKS_WORLD_H
#define TEST_HOOKS_WORLD_H

#include <claudesandbox/hooks.h>

#include "context.h"
#include "core/strbuf.h"
#include "support.h"

#define WORLD_HELD_MAX 20
#define WORLD_OTHERS_MAX 4

struct world {
    csb_ctx ctx;
    csb_hooks *hooks;
    char heard[4096]; /* "vm:Event " of each */
    int n_heard;
    uint64_t lost;
    const char *project;
    int stop_with;  /* what the callback returns, */
    int stop_after; /* once it has heard so many */
    bool allow;
    bool deny;
    const char *tell; /* a context; NULL: none */
    int reply_rc;     /* of the last of these */
    bool hold;
    int hold_rc; /* of the last one */
    csb_reply *held[WORLD_HELD_MAX];
    int n_held;
    char logged[1024];
    struct world *others[WORLD_OTHERS_MAX]; /* which dispatch when this one does */
};

/* With VMs "one" and "two"; nobody listens yet. */
void world_make(struct world *w);
/* Another listener for the VMs of that one. */
void world_make_other(struct world *w, const struct world *first);
void world_end(struct world *w);
#define AUTOWORLD CSB__CLEANUP(world_end) struct world

void world_add_vm(struct world *w, const char *name);
void world_remove_vm(struct world *w, const char *name);
/* Notes the event, and answers as the world has it. The userdata is the world. */
int world_on_event(const csb_event *event, csb_reply *reply, void *userdata);
void world_open(struct world *w, const csb_hooks_options *options);
void world_dispatch(struct world *w, int timeout_ms);

/* A VM's socket, to be freed. */
char *world_socket(struct world *w, const char *vm);
/* A connection to it that does not block. */
int world_client(struct world *w, const char *vm);
/* Sends it all, with the server at work meanwhile. */
void world_say(struct world *w, int fd, const char *bytes, size_t len);
/* The same for an event, as a request. */
void world_say_event(struct world *w, int fd, const char *json);
/* Until the other side is done, or `seconds` are over: what it said. */
void world_hear_for(struct world *w, int fd, struct csb__strbuf *out, int seconds);
/* The same with time enough, and something must come. */
void world_hear(struct world *w, int fd, struct csb__strbuf *out);
/* A whole exchange. The status; the body where it is wanted. */
int world_ask(struct world *w, const char *vm, const char *json, struct csb__strbuf *body);

#define STOP "{\"hook_event_name\":\"Stop\"}"
#define PERMIT "{\"hook_event_name\":\"PermissionRequest\",\"tool_name\":\"Bash\"}"
#define PRE "{\"hook_event_name\":\"PreToolUse\",\"tool_name\":\"Bash\"}"

#endif
