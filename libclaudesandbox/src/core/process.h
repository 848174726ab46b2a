/* SPDX-License-Identifier: MIT */
/* Child processes: argument vectors only, never a shell; every way they can end, told apart. */
#ifndef CSB_CORE_PROCESS_H
#define CSB_CORE_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#include "core/env.h"
#include "core/strbuf.h"

enum { CSB__FD_NULL = -1, CSB__FD_CAPTURE = -2 };

enum {
    CSB__RUN_FOREGROUND = 1 << 0, /* stays in our process group, so that it may use the terminal */
    CSB__RUN_TAIL = 1 << 1        /* of the lines that on_line has seen, the last 8 KiB stay */
};

typedef void (*csb__line_fn)(const char *line, void *userdata);

/* A child to be run to its end. */
struct csb__run {
    const char *const *argv; /* argv[0] is searched on PATH unless it has a slash */
    const char *const *envp; /* the whole environment; NULL: ours */
    const char *cwd;         /* NULL: ours */
    const void *input;       /* fed to its stdin; stdin_fd is not used then */
    size_t input_len;
    int stdin_fd;         /* an fd or CSB__FD_NULL */
    int stdout_fd;        /* an fd, CSB__FD_NULL or CSB__FD_CAPTURE */
    int stderr_fd;        /* likewise; of what is captured the last 8 KiB stay */
    size_t stdout_max;    /* more is an error; 0: 16 MiB */
    int timeout_ms;       /* 0 or less: only the public call's */
    unsigned flags;       /* CSB__RUN_... */
    csb__line_fn on_line; /* called for each captured line of stdout as it comes; may be NULL */
    void *userdata;
    /* Called each enough_ms while it runs: true ends it, and it has ended well then. May be NULL. */
    bool (*enough)(void *userdata);
    int enough_ms;
};

#define CSB__RUN_INIT                                                                              \
    {                                                                                              \
        NULL, NULL, NULL, NULL, 0, CSB__FD_NULL, CSB__FD_CAPTURE, CSB__FD_CAPTURE, 0, 0, 0, NULL,  \
            NULL, NULL, 0                                                                          \
    }

struct csb__run_result {
    int status; /* exit status, or 128 + signal */
    int signo;  /* the signal that ended it, or 0 */
    struct csb__strbuf out;
    struct csb__strbuf errout;
};

void csb__run_result_free(struct csb__run_result *r);
#define CSB__AUTORESULT CSB__CLEANUP(csb__run_result_free) struct csb__run_result

struct csb__child;

/* The seam: who runs and starts children. Tests give a context their own. */
struct csb__runner {
    int (*run)(struct csb__env *env, const struct csb__run *run, struct csb__run_result *ret,
               csb_error **err);
    int (*start)(struct csb__env *env, const struct csb__run *run, struct csb__child *ret,
                 csb_error **err);
};

/*
 * Runs it. 0 when it ran to its end, however that was: `ret` tells. ESYSTEM when it could not be
 * started (csb_error_errno() says why, exactly), EPROTOCOL when it said too much, ETIMEOUT and
 * ECANCELED when it had to be ended: TERM to its group, then KILL.
 */
int csb__run(struct csb__env *env, const struct csb__run *run, struct csb__run_result *ret,
             csb_error **err);

/* A child that outlives us: its own session, not ours to reap. */
struct csb__detached {
    const char *const *argv;
    int log_fd;          /* becomes stdout and stderr */
    const int *keep_fds; /* stay open under their numbers, n_keep of them */
    size_t n_keep;
};

int csb__spawn_detached(const struct csb__detached *d, pid_t *ret, csb_error **err);

/* Finds a program on PATH: its absolute path, to be freed, or NULL. */
char *csb__find_program(const char *name);

/* An fd that becomes readable when the child ends; -1 where the system has none. */
int csb__child_fd(pid_t pid);

/* When a process began, in a unit of the system's own, so that a pid used anew is noticed.
 * -1 when there is no such process, or only its corpse. */
int csb__process_start_time(pid_t pid, uint64_t *ret);
/* The same in seconds since 1970; 0 where that can't be told. */
int64_t csb__process_began(uint64_t start_time);
/* Sends a signal to the very process that began then; -1 with ESRCH when it is gone. */
int csb__process_signal(pid_t pid, uint64_t start_time, int signo);
/* An id of this boot of the host, "" where the system has none. */
void csb__boot_id(char *out, size_t size);

#endif
