/* SPDX-License-Identifier: MIT */
/*
 * The processes of a Lima machine, found by what they were started with.
 *
 * Not by the pid files: after a crash they name whoever has the number now, `limactl stop -f` kills
 * that one unseen, and with a broken lima.yaml it removes the files while the VM runs on.
 */
#ifndef CSB_ENGINE_LIMA_LIMA_PROC_H
#define CSB_ENGINE_LIMA_LIMA_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/error.h"

#define CSB__LIMA_PROCS_MAX 16

struct csb__lima_proc {
    pid_t pid;
    uint64_t start_time;
    bool is_agent; /* limactl's host agent, which on vz is the VM too; else the driver (QEMU) */
};

/* Whether an argument list (`len` bytes, a NUL after each) is that of a process of the machine in
 * `dir`: each is told its pid file there. [pure] */
bool csb__lima_args_match(const char *args, size_t len, const char *dir, bool *is_agent);

struct csb__lima_found {
    struct csb__lima_proc procs[CSB__LIMA_PROCS_MAX];
    size_t n;
};

/* Those that live, zombies not counted, at most CSB__LIMA_PROCS_MAX. */
size_t csb__lima_procs(const char *home, const char *name, struct csb__lima_proc *ret);
/* The same of many machines in one look: ret[i] for names[i]. */
int csb__lima_procs_of(const char *home, const char *const *names, size_t n,
                       struct csb__lima_found *ret, csb_error **err);
/* Whether the host agent, without which nothing goes on, still lives among those found before. */
bool csb__lima_agent_alive(const struct csb__lima_proc *procs, size_t n);
/* To the host agents or to the drivers among them; how many got it. */
size_t csb__lima_procs_signal(const struct csb__lima_proc *procs, size_t n, bool agents, int signo);

/* Pulls the plug: returns when none is left. EENGINE when they won't go. */
int csb__lima_kill(const char *home, const char *name, csb_error **err);

/* Calls `fn` with the argument list of every process of our user. The system's part, in
 * lima_proc_linux.c and lima_proc_macos.c. */
typedef void (*csb__lima_proc_fn)(pid_t pid, const char *args, size_t len, void *userdata);
void csb__lima_each_process(csb__lima_proc_fn fn, void *userdata);

#endif
