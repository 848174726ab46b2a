/* SPDX-License-Identifier: MIT */
#ifndef CLAUDESANDBOX_EXEC_H
#define CLAUDESANDBOX_EXEC_H

#include <claudesandbox/common.h>
#include <claudesandbox/error.h>
#include <claudesandbox/vm.h>

CSB_BEGIN_DECLS

/* How a program in the guest ended: a result, never an error. */
typedef struct csb_exit {
    int status; /* as a shell would say it: 0-255, 128 + the signal's number if one ended it */
} csb_exit;

enum {
    CSB_EXEC_TTY = 1 << 0,  /* a terminal in the guest; stdin_fd should be one on the host */
    CSB_EXEC_LOGIN = 1 << 1 /* in the environment of a login shell, with COLORTERM, LANG, NO_COLOR
                               and TZ of the caller's; argv may be NULL: the shell itself */
};

typedef struct csb_exec_options {
    size_t size;             /* sizeof(csb_exec_options); CSB_EXEC_OPTIONS_INIT sets it */
    const char *const *argv; /* program and arguments, ends in NULL; bytes pass unchanged */
    const char *const *env;  /* "NAME=value", ends in NULL; may be NULL. Values appear in no
                                argument list and in no file, on either side */
    const char *cwd; /* absolute, in the guest; NULL: the project, else the home directory */
    int stdin_fd;    /* -1: /dev/null */
    int stdout_fd;   /* -1: /dev/null */
    int stderr_fd;   /* -1: /dev/null */
    unsigned flags;  /* CSB_EXEC_... */
    int timeout_ms;  /* 0 or less: none */
} csb_exec_options;

#define CSB_EXEC_OPTIONS_INIT                                                                      \
    { sizeof(csb_exec_options), NULL, NULL, NULL, 0, 1, 2, 0, 0 }

/*
 * Runs a program in the guest, as the user of the guest that owns the project, and waits for it.
 *
 * opts: argv is needed, or CSB_EXEC_LOGIN. The descriptors stay the caller's.
 * ret: how it ended. 126 and 127 as a shell gives them (not executable or no such directory, not
 * found).
 *
 * Errors: CSB_ESTATE (not running), CSB_EENGINE (the connection failed or broke), CSB_EINVAL,
 * CSB_ETIMEOUT and CSB_ECANCELED (the program was ended), CSB_ESYSTEM, CSB_ENOMEM.
 * Blocks for as long as the program runs, or csb_exec_options.timeout_ms.  Since: 0.1
 */
CSB_API int csb_vm_exec(csb_vm *vm, const csb_exec_options *opts, csb_exit *ret, csb_error **err);

CSB_END_DECLS

#endif
