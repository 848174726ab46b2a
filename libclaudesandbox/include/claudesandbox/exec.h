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

enum {
    CSB_EXEC_NULL = -1, /* for a stream: /dev/null */
    CSB_EXEC_PIPE = -2  /* for a stream: a pipe, whose other end csb_process_fd() gives */
};

typedef struct csb_exec_options {
    size_t size;             /* sizeof(csb_exec_options); CSB_EXEC_OPTIONS_INIT sets it */
    const char *const *argv; /* program and arguments, ends in NULL; bytes pass unchanged */
    const char *const *env;  /* "NAME=value", ends in NULL; may be NULL. Values appear in no
                                argument list and in no file, on either side */
    const char *cwd; /* absolute, in the guest; NULL: the project, else the home directory */
    int stdin_fd; /* CSB_EXEC_NULL (-1): /dev/null; CSB_EXEC_PIPE (-2): a pipe, in csb_vm_spawn() */
    int stdout_fd;  /* likewise */
    int stderr_fd;  /* likewise */
    unsigned flags; /* CSB_EXEC_... */
    int timeout_ms; /* 0 or less: none, as it must be in csb_vm_spawn() */
} csb_exec_options;

#define CSB_EXEC_OPTIONS_INIT                                                                      \
    { sizeof(csb_exec_options), NULL, NULL, NULL, 0, 1, 2, 0, 0 }

/*
 * Runs a program in the guest, as the user of the guest that owns the project, and waits for it.
 *
 * The program, with all that it started in its process group, does not outlive the caller: where the
 * caller's process ends without having waited for it, be it by SIGKILL, or the connection breaks, the
 * group gets SIGHUP at once, SIGTERM two seconds later and SIGKILL after two more. As behind any
 * terminal, what made a session of its own (setsid) stays.
 *
 * opts: argv is needed, or CSB_EXEC_LOGIN; what a shell has built in is no program, but with
 * CSB_EXEC_LOGIN. The descriptors stay the caller's.
 * ret: how it ended. 126 and 127 as a shell gives them (not executable or no such directory, not
 * found).
 *
 * Errors: CSB_ESTATE (not running), CSB_EENGINE (the connection failed or broke), CSB_EINVAL,
 * CSB_ETIMEOUT and CSB_ECANCELED (the program was ended: SIGTERM, and SIGKILL where that is of no use
 * within two seconds; of CSB_EXEC_TTY, after CSB_ECANCELED, as if the caller's process had ended),
 * CSB_ESYSTEM, CSB_ENOMEM.
 * Blocks for as long as the program runs, or csb_exec_options.timeout_ms.  Since: 0.1
 */
CSB_API int csb_vm_exec(csb_vm *vm, const csb_exec_options *opts, csb_exit *ret, csb_error **err);

/* A program that runs in a guest. Like its VM's handle it belongs to one thread at a time; it must be
 * freed before its context, and may be after its VM's handle. */
typedef struct csb_process csb_process;

enum { CSB_PROCESS_END = 3 /* for csb_process_fd() */ };

/*
 * Starts a program in the guest as csb_vm_exec() does, and does not wait for it. What is said there of
 * its end holds here too.
 *
 * A stream that is a terminal keeps the ssh that carries it in the caller's process group; else it
 * has one of its own, and Ctrl-C in the caller's terminal is none of its business.
 *
 * opts: a stream may be CSB_EXEC_PIPE; timeout_ms must be 0 or less.
 * ret: the running program, for csb_process_free().
 *
 * Errors: as csb_vm_exec(); that the guest takes no program may also be told by csb_process_wait().
 * Blocks for some 50 ms, if at all, where the guest is connected already.  Since: 0.1
 */
CSB_API int csb_vm_spawn(csb_vm *vm, const csb_exec_options *opts, csb_process **ret,
                         csb_error **err);

/*
 * A descriptor to wait for with poll() and the like.
 *
 * which: 0, 1 or 2: the host's end of the pipe that is the program's standard input, output or error
 * output, to write to, or to read from until its end; -1 where that is no pipe, or closed. It blocks
 * unless the caller makes it non-blocking. CSB_PROCESS_END: becomes readable when csb_process_wait()
 * has something to tell, and must not be read; -1 where the system has no such thing.
 *
 * All of them stay the process's: not to be closed but by csb_process_close().
 * Does not block.  Since: 0.1
 */
CSB_API int csb_process_fd(csb_process *process, int which);

/*
 * Closes the host's end of a pipe: that of standard input, for the program to see the end of it.
 *
 * which: 0, 1 or 2. Fine where there is none.
 *
 * Does not block.  Since: 0.1
 */
CSB_API void csb_process_close(csb_process *process, int which);

/*
 * Until a program has ended, and then how. Its output is not read: a program whose pipe is full goes
 * on when the caller has read.
 *
 * timeout_ms: 0: only looks; less than 0: without limit, but for that of the context.
 * ret: how it ended, again and again.
 *
 * Errors: CSB_ETIMEOUT and CSB_ECANCELED (it goes on), CSB_EENGINE (the connection broke: what was
 * left of it in the guest is being ended), CSB_ENOMEM.  Blocks.  Since: 0.1
 */
CSB_API int csb_process_wait(csb_process *process, int timeout_ms, csb_exit *ret, csb_error **err);

/*
 * Sends a signal to the program's process group in the guest: to it and all that it started and that
 * made no group of its own. Fine where it has ended.
 *
 * signo: as <signal.h> has it on the host: one of SIGHUP, SIGINT, SIGQUIT, SIGABRT, SIGKILL, SIGUSR1,
 * SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH.
 *
 * Errors: CSB_EINVAL (another signal), CSB_ESYSTEM (the connection broke). That it is on its way is
 * all that success means.  Does not block.  Since: 0.1
 */
CSB_API int csb_process_kill(csb_process *process, int signo, csb_error **err);

/*
 * Ends a program that still runs, as csb_vm_exec() does on CSB_ECANCELED, and closes its pipes. NULL is
 * fine. In a child made by fork() it does nothing: the program is the parent's.  Blocks for some
 * seconds at most; not at all where it has been waited for.  Since: 0.1
 */
CSB_API void csb_process_free(csb_process *process);

CSB_END_DECLS

#endif
