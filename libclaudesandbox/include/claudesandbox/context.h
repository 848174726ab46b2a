/* SPDX-License-Identifier: MIT */
#ifndef CLAUDESANDBOX_CONTEXT_H
#define CLAUDESANDBOX_CONTEXT_H

#include <claudesandbox/common.h>
#include <claudesandbox/error.h>

CSB_BEGIN_DECLS

/* Where things are kept, which engine is used and how long to wait. */
typedef struct csb_ctx csb_ctx;

/* A warning is for the user to see: the call goes on, but not quite as was asked. */
enum { CSB_LOG_WARNING = 0, CSB_LOG_INFO = 1, CSB_LOG_DEBUG = 2 };

/* Called for each warning and each line of debugging talk, from within the call that causes it.
 * `text` has no newline and is borrowed. */
typedef void (*csb_log_fn)(int level, const char *text, void *userdata);

/* Called when long work enters a new phase: `step` of `steps` (0 of 0 where that is unknown) and
 * what is being done, borrowed. Called only from within the call that does the work. */
typedef void (*csb_progress_fn)(int step, int steps, const char *text, void *userdata);

typedef struct csb_ctx_options {
    size_t size;           /* sizeof(csb_ctx_options); CSB_CTX_OPTIONS_INIT sets it */
    const char *state_dir; /* absolute; NULL: $CLAUDE_SANDBOX_HOME, else ~/.claude-sandbox */
    const char *engine;    /* "lima" or "qemu"; NULL: $CLAUDE_SANDBOX_ENGINE, else what works */
    const char *limactl;   /* path of limactl; NULL: found on PATH */
    const char *guest_dir; /* the guest image's recipe and helper; NULL:
                                $CLAUDE_SANDBOX_GUEST_DIR, else as installed */
    int timeout_ms;        /* for a whole operation; 0: the operation's own; -1: none */
    csb_log_fn log;        /* NULL: silence */
    void *log_userdata;
    csb_progress_fn progress; /* NULL: silence */
    void *progress_userdata;
} csb_ctx_options;

#define CSB_CTX_OPTIONS_INIT                                                                       \
    { sizeof(csb_ctx_options), NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL }

/*
 * Makes a context. Nothing is created on disk and no process is started.
 *
 * opts: NULL for all defaults. What it points to is copied.
 * ret: the context; free it with csb_ctx_free().
 *
 * Errors: CSB_EINVAL (a path that is not absolute, an unknown engine), CSB_ENOTSUP (running as
 * root), CSB_ENOMEM, CSB_ESYSTEM (no home directory).  Does not block. Any thread.
 * Since: 0.1
 */
CSB_API int csb_ctx_new(const csb_ctx_options *opts, csb_ctx **ret, csb_error **err);

/* Frees a context. Handles made from it must have been freed before.  Since: 0.1 */
CSB_API void csb_ctx_free(csb_ctx *ctx);

/*
 * Ends the call that is running on the context, or if there is none the next one, with
 * CSB_ECANCELED; what that call had half made is undone.
 *
 * Always 0. May be called from any thread and from a signal handler.  Since: 0.1
 */
CSB_API int csb_ctx_cancel(csb_ctx *ctx);

/* The directory that holds everything of ours, absolute. Borrowed.  Since: 0.1 */
CSB_API const char *csb_ctx_state_dir(const csb_ctx *ctx);

/* The path of the template that is installed with the library: the tools VM's. Borrowed.
 * Since: 0.1 */
CSB_API const char *csb_ctx_template(const csb_ctx *ctx);

/*
 * Which engine new machines are made with, decided on the first call and remembered: the one asked
 * for, else lima where it is usable, else qemu.
 *
 * ret: "lima" or "qemu", static.
 * why: one line that says why, borrowed from the context; may be NULL.
 *
 * Errors: CSB_ENOENGINE, with what to install. Blocks for some 250 ms on the first
 * call.  Since: 0.1
 */
CSB_API int csb_ctx_engine(csb_ctx *ctx, const char **ret, const char **why, csb_error **err);

enum {
    CSB_CLEAN_DRY_RUN = 1 << 0 /* only say what is there */
};

/* Called from within csb_ctx_clean() for each thing that was left behind: what it is, in words;
 * where it lies; what it takes up on the disk (0 where that is nothing or unknown); and why it
 * could not be removed, NULL if it was or would be. All borrowed. */
typedef void (*csb_clean_fn)(const char *what, const char *path, uint64_t bytes,
                             const csb_error *failure, void *userdata);

/*
 * Removes what belongs to no machine any more: what interrupted creations left, records of machines
 * that their engine does not know, and of the qemu engine disks without a record, directories for
 * sockets, and images that are neither used nor what new machines are made from. Only what is in
 * the state directory or was recorded there is looked at; what another process works on is left
 * alone.
 *
 * flags: 0 or CSB_CLEAN_DRY_RUN.
 * fn: told of each, with userdata; may be NULL. One that can't be removed does not keep the others.
 *
 * Errors: CSB_EINVAL, CSB_EBUSY (a machine is half renamed), CSB_ECANCELED, CSB_ETIMEOUT,
 * CSB_ESYSTEM, CSB_ENOMEM. Blocks for up to 10 minutes.  Since: 0.1
 */
CSB_API int csb_ctx_clean(csb_ctx *ctx, unsigned flags, csb_clean_fn fn, void *userdata,
                          csb_error **err);

CSB_END_DECLS

#endif
