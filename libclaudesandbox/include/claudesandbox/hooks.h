/* SPDX-License-Identifier: MIT */
#ifndef CLAUDESANDBOX_HOOKS_H
#define CLAUDESANDBOX_HOOKS_H

#include <claudesandbox/common.h>
#include <claudesandbox/context.h>
#include <claudesandbox/error.h>

CSB_BEGIN_DECLS

/*
 * What Claude Code in our machines reports through its hooks, as it happens, and answers to it.
 *
 * Each machine has a socket of its own on the host, so which one an event came from is known, and
 * not taken from what the machine says. Everything else in an event is the machine's word: text to
 * show or to log when the caller has removed its control characters, and nothing to evaluate or to
 * open.
 */

/*
 * Whoever listens. The first one for a state directory is the server, who has the machines' sockets:
 * mostly claude-hooks-server. All others, 32 at most, subscribe to it: they hear the same events in
 * the same order and may answer as well. The server waits 3 seconds for a subscriber's answer; one who
 * missed that is not waited for until it has dealt with all events up to the newest. For one that is
 * too slow 4096 events are kept, or 16 MiB of them; then it loses its oldest.
 *
 * So a denial is a rule for Claude and no wall. Claude goes on without a listener's word where that
 * comes too late, where an event is refused (too large, too deep, too many of them), while the server
 * or the listener ends and begins anew, and, in all machines, while one machine reports more than the
 * listener can take.
 */
typedef struct csb_hooks csb_hooks;

/* Something that Claude reports. Lives until the callback returns. */
typedef struct csb_event csb_event;

/* The answer to it, to be filled in by the callback, or later: csb_reply_hold(). */
typedef struct csb_reply csb_reply;

/*
 * Called for each event, only from within csb_hooks_dispatch() and csb_hooks_listen(). Claude waits
 * meanwhile, some seconds at most; a callback that says nothing into `reply` leaves it to its own
 * rules. A value other than 0 ends the call that is running with CSB_EUSER, after the answer was
 * sent.
 *
 * What several listeners answer becomes one: to deny or block beats to ask, which beats to allow;
 * what they tell Claude besides is joined; of tools' inputs the first one counts.
 */
typedef int (*csb_hook_fn)(const csb_event *event, csb_reply *reply, void *userdata);

/* Only watches: nobody waits for it, it can't answer, and it never takes the server's place. */
#define CSB_HOOKS_WATCH (1U << 0)

typedef struct csb_hooks_options {
    size_t size;            /* sizeof(csb_hooks_options); CSB_HOOKS_OPTIONS_INIT sets it */
    size_t body_max;        /* bytes of one event; 0: 8 MiB, which is also the most */
    int rate;               /* events a second from one machine, five times that at once; 0: 1000 */
    int request_timeout_ms; /* for one event to arrive whole; 0: 30000 */
    unsigned flags;         /* CSB_HOOKS_... */
} csb_hooks_options;

#define CSB_HOOKS_OPTIONS_INIT                                                                     \
    { sizeof(csb_hooks_options), 0, 0, 0, 0 }

/*
 * Listens for the events of all machines of the context's state directory, those that are made
 * later too. Machines need not run, and running ones are heard at once, whoever started them. Where
 * somebody listens already, this subscribes to what it hears.
 *
 * ctx: must outlive the handle, and is used by its calls.
 * opts: NULL for all defaults. A subscriber needs none of them but the flags.
 * fn: called for each event, with userdata.
 * ret: who listens; free it with csb_hooks_close().
 *
 * Errors: CSB_ENOTFOUND (CSB_HOOKS_WATCH, and nobody listens), CSB_EBUSY (somebody does, and takes no
 * subscribers), CSB_EINVAL, CSB_ESYSTEM, CSB_ENOMEM.
 * Blocks for a second at most, while another one begins or ends; mostly not at all.  Since: 0.1
 */
CSB_API int csb_hooks_open(csb_ctx *ctx, const csb_hooks_options *opts, csb_hook_fn fn,
                           void *userdata, csb_hooks **ret, csb_error **err);

/* A descriptor that is readable when csb_hooks_dispatch() has something to do: for the caller's own
 * poll(). Not to be read from or closed.  Since: 0.1 */
CSB_API int csb_hooks_fd(const csb_hooks *hooks);

/*
 * Does what there is to do, and calls the callback for the events that have arrived, in turn for
 * the machines that have any.
 *
 * timeout_ms: how long to wait for something to do; 0: not at all, -1: as long as it takes.
 *
 * Errors: CSB_EUSER (the callback wanted it to end), CSB_ECANCELED (csb_ctx_cancel()), CSB_ESTATE
 * (called by the callback), CSB_ESYSTEM, CSB_ENOMEM. It can be called again after each of them. A subscriber's also, and for good:
 * CSB_ENOTFOUND (the server has ended), CSB_EBUSY (it takes no more subscribers, or is of another
 * version), CSB_EPROTOCOL. csb_hooks_close() and csb_hooks_open() begin anew.
 * Blocks for timeout_ms, and as long as the callback does.  Since: 0.1
 */
CSB_API int csb_hooks_dispatch(csb_hooks *hooks, int timeout_ms, csb_error **err);

/* Ends the waiting of the csb_hooks_dispatch() that is running, else of the next one. Always 0. May
 * be called from any thread and from a signal handler.  Since: 0.1 */
CSB_API int csb_hooks_wakeup(csb_hooks *hooks);

/* Ends the listening, and removes the sockets. Claude in the machines goes on without. NULL is
 * fine. In a child made by fork() it does nothing. Not to be called by the callback.  Since: 0.1 */
CSB_API void csb_hooks_close(csb_hooks *hooks);

/*
 * Listens, and calls the callback until it returns something other than 0, or csb_ctx_cancel() is
 * called: csb_hooks_open(), csb_hooks_dispatch() again and again, csb_hooks_close(). When the server
 * ends, this subscribes to the one that follows within 2 seconds; else it takes its place, or with
 * CSB_HOOKS_WATCH ends a second later.
 *
 * opts, fn, userdata: as for csb_hooks_open().
 *
 * Errors: CSB_EUSER and CSB_ECANCELED, which are how it ends; else as csb_hooks_open().
 * Blocks until then.  Since: 0.1
 */
CSB_API int csb_hooks_listen(csb_ctx *ctx, const csb_hooks_options *opts, csb_hook_fn fn,
                             void *userdata, csb_error **err);

/* The machine it came from, told by us and not by the machine. Borrowed, as all strings here, which
 * are UTF-8 and may hold control characters.  Since: 0.1 */
CSB_API const char *csb_event_vm(const csb_event *event);

/* The directory on the host that the machine was made for, told by us likewise; NULL where it has
 * none. Borrowed.  Since: 0.1 */
CSB_API const char *csb_event_project_dir(const csb_event *event);

/* Which event it is, "PreToolUse"; "" where it does not say. Any name may come. Borrowed.
 * Since: 0.1 */
CSB_API const char *csb_event_name(const csb_event *event);

/* The session's id, or NULL where it has none. Borrowed.  Since: 0.1 */
CSB_API const char *csb_event_session(const csb_event *event);

/* The directory in which Claude works, in the machine, or NULL. Borrowed.  Since: 0.1 */
CSB_API const char *csb_event_cwd(const csb_event *event);

/* The tool that an event is about, "Bash", or NULL. Borrowed.  Since: 0.1 */
CSB_API const char *csb_event_tool(const csb_event *event);

/* A Notification's text, or NULL. Borrowed.  Since: 0.1 */
CSB_API const char *csb_event_message(const csb_event *event);

/* A Notification's title, or NULL: most have none. Borrowed.  Since: 0.1 */
CSB_API const char *csb_event_title(const csb_event *event);

/* A Notification's kind, "permission_prompt" or "idle_prompt" or any other, or NULL. Borrowed.
 * Since: 0.1 */
CSB_API const char *csb_event_notification_type(const csb_event *event);

/* The text of the outermost member named key, or NULL where there is none or it is no string.
 * Borrowed.  Since: 0.1 */
CSB_API const char *csb_event_string(const csb_event *event, const char *key);

/* How many events this listener lost right before this one, because it was too slow for them. Only a
 * subscriber loses any.  Since: 0.1 */
CSB_API uint64_t csb_event_lost(const csb_event *event);

/* The whole event as it came, one JSON object in UTF-8. len: its bytes; may be NULL. It is followed
 * by a NUL, and holds none. Borrowed.  Since: 0.1 */
CSB_API const char *csb_event_json(const csb_event *event, size_t *len);

/*
 * Lets Claude do what it asks for, without asking the user: PreToolUse, PermissionRequest.
 *
 * Of allow, deny, ask and block the last one counts.
 *
 * Errors: CSB_ENOTSUP (the event takes no such answer), CSB_EINVAL (no UTF-8, or more than 1 MiB),
 * CSB_ENOMEM.
 * Does not block.  Since: 0.1
 */
CSB_API int csb_reply_allow(csb_reply *reply, csb_error **err);

/* Refuses it; Claude is told the reason, which may be NULL: PreToolUse, PermissionRequest.
 *
 * Errors: as csb_reply_allow().  Does not block.  Since: 0.1 */
CSB_API int csb_reply_deny(csb_reply *reply, const char *reason, csb_error **err);

/* Has the user asked, also where permissions are bypassed; the reason, which may be NULL, is shown:
 * PreToolUse. Without a user (claude -p) this refuses it.
 *
 * Errors: as csb_reply_allow().  Does not block.  Since: 0.1 */
CSB_API int csb_reply_ask(csb_reply *reply, const char *reason, csb_error **err);

/* Stops Claude from going on as it would, for that reason: a Stop from ending the turn (mind
 * "stop_hook_active", else it never ends), a UserPromptSubmit from being sent, and so on: Stop,
 * SubagentStop, UserPromptSubmit, UserPromptExpansion, PostToolUse, PostToolBatch, PreCompact,
 * ConfigChange; PreToolUse, where it is csb_reply_deny().
 *
 * Errors: as csb_reply_allow().  Does not block.  Since: 0.1 */
CSB_API int csb_reply_block(csb_reply *reply, const char *reason, csb_error **err);

/* Tells Claude a text besides: SessionStart, Setup, SubagentStart, UserPromptSubmit,
 * UserPromptExpansion, PreToolUse, PostToolUse, PostToolUseFailure, PostToolBatch.
 *
 * Errors: as csb_reply_allow().  Does not block.  Since: 0.1 */
CSB_API int csb_reply_context(csb_reply *reply, const char *text, csb_error **err);

/* Has the tool called with the input json, an object, instead: PreToolUse.
 *
 * Errors: as csb_reply_allow(); CSB_EINVAL for what is no JSON object, too.  Does not block.
 * Since: 0.1 */
CSB_API int csb_reply_input(csb_reply *reply, const char *json, csb_error **err);

/*
 * Has the answer given later, when somebody was asked, say. Only within a callback, which returns,
 * and Claude goes on waiting, 10 minutes at most, or less where the hook's own time limit
 * ends before. What another listener decides meanwhile settles it: who wants to forbid in any case
 * must do so at once.
 *
 * ret: in place of `reply`, with what was said into that so far; the caller's, until csb_reply_send().
 *
 * Errors: CSB_ENOTSUP (the event takes no answer, or one only watches), CSB_EBUSY (the machine has 8
 * waiting), CSB_ESTATE (held already), CSB_ENOMEM. `reply` stays as it was.
 * Does not block.  Since: 0.1
 */
CSB_API int csb_reply_hold(csb_reply *reply, csb_reply **ret, csb_error **err);

/*
 * Gives a held answer; without a word said into it, it leaves Claude to its own rules. `held` is freed
 * in every case, also after csb_hooks_close(). By the thread that dispatches; also in a callback.
 *
 * Errors: CSB_ENOTFOUND (Claude does not wait any more), CSB_EINVAL (NULL, or not held).
 * Does not block.  Since: 0.1
 */
CSB_API int csb_reply_send(csb_reply *held, csb_error **err);

/* 1 while Claude waits for it, else 0. May change in each csb_hooks_dispatch(), which returns then, and
 * is 0 after csb_hooks_close().  Since: 0.1 */
CSB_API int csb_reply_waits(const csb_reply *held);

CSB_END_DECLS

#endif
