/* SPDX-License-Identifier: MIT */
#ifndef CLAUDESANDBOX_CLAUDE_H
#define CLAUDESANDBOX_CLAUDE_H

#include <claudesandbox/common.h>
#include <claudesandbox/exec.h>

CSB_BEGIN_DECLS

enum {
    /* Takes the login of the host's own Claude Code into the guest first, when the environment has
     * no other credentials: from the keychain on macOS, from ~/.claude/.credentials.json elsewhere.
     * The guest gets an access token, which ends after some hours, and not the refresh token. */
    CSB_CLAUDE_HOST_LOGIN = 1 << 8
};

typedef struct csb_claude_options {
    size_t size;                 /* sizeof(csb_claude_options); CSB_CLAUDE_OPTIONS_INIT sets it */
    const char *const *args;     /* for claude, after its name; ends in NULL; may be NULL */
    const char *prompt;          /* NULL: none; else claude runs headless (-p) on it */
    const char *permission_mode; /* NULL: bypassPermissions, unless args choose one */
    const char *const *env;      /* as in csb_exec_options, on top of what is passed by itself:
                                    Claude's credentials and endpoint (ANTHROPIC_API_KEY,
                                    ANTHROPIC_AUTH_TOKEN, CLAUDE_CODE_OAUTH_TOKEN,
                                    ANTHROPIC_BASE_URL, ...) */
    int stdin_fd;                /* as in csb_exec_options, for the next four too */
    int stdout_fd;
    int stderr_fd;
    unsigned flags; /* CSB_EXEC_TTY, CSB_CLAUDE_HOST_LOGIN */
    int timeout_ms;
} csb_claude_options;

#define CSB_CLAUDE_OPTIONS_INIT                                                                    \
    { sizeof(csb_claude_options), NULL, NULL, NULL, NULL, 0, 1, 2, 0, 0 }

/*
 * Runs Claude Code in the guest, in the project's directory, and waits for it. An
 * ANTHROPIC_BASE_URL that names the host's loopback is carried into the guest, that port and no
 * other.
 *
 * opts: all of it may be left out. The descriptors stay the caller's.
 * ret: claude's exit status.
 *
 * Errors: as csb_vm_exec().  Blocks for as long as Claude runs, or csb_claude_options.timeout_ms.
 * Since: 0.1
 */
CSB_API int csb_vm_exec_claude(csb_vm *vm, const csb_claude_options *opts, csb_exit *ret,
                               csb_error **err);

/*
 * Starts Claude Code in the guest as csb_vm_exec_claude() does, and does not wait for it. With the
 * arguments "--output-format", "stream-json", "--verbose" and a prompt, its output is a line of JSON
 * for each thing that happens.
 *
 * opts: as for csb_vm_exec_claude(), and what csb_vm_spawn() says.
 * ret: the running program, for csb_process_free().
 *
 * Errors: as csb_vm_exec().  Blocks until the guest has agreed.  Since: 0.1
 */
CSB_API int csb_vm_spawn_claude(csb_vm *vm, const csb_claude_options *opts, csb_process **ret,
                                csb_error **err);

/* What Claude does in a machine. Higher is busier. */
enum {
    CSB_ACTIVITY_NONE = 0,    /* no session of Claude runs in it */
    CSB_ACTIVITY_IDLE = 1,    /* its turn is over */
    CSB_ACTIVITY_WAITING = 2, /* for the user, who is asked for permission or something else */
    CSB_ACTIVITY_BUSY = 3     /* it works */
};

/*
 * Asks a running machine what the Claude in it does, whoever started it, as far as the user may see
 * who owns the project. Claude tells it of itself, also what its hooks do not: that the user has
 * interrupted it. Of several sessions the busiest counts. A headless one (-p) is busy until it ends.
 * One that does not tell (it has just begun, or is of another version), or tells something unknown,
 * counts as busy. It is the machine's word.
 *
 * ret: CSB_ACTIVITY_...
 *
 * Errors: CSB_ESTATE (not running), CSB_EENGINE (the connection failed), CSB_EPROTOCOL, CSB_ETIMEOUT,
 * CSB_ECANCELED, CSB_ESYSTEM, CSB_ENOMEM.
 * Blocks, for half a minute at most.  Since: 0.1
 */
CSB_API int csb_vm_activity(csb_vm *vm, int *ret, csb_error **err);

CSB_END_DECLS

#endif
