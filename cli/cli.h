/* SPDX-License-Identifier: MIT */
/* What the commands share. The command line sees of the library what everybody sees. */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <claudesandbox.h>

/* Documented in claude-sandbox(1); else a program's own status. */
enum { EXIT_USAGE = 2, EXIT_TIMEOUT = 124, EXIT_SANDBOX = 125, EXIT_INTERRUPTED = 130 };

/* The base of new VMs when nothing else is said, and the command that makes it, which is also the
 * name of a program. */
#define CLI_TOOLS_VM "tools-vm"
#define CLI_REBUILD "rebuild-tools-vm"

struct cli_options {
    const char *dir; /* NULL: the current directory */
    const char *clone_from;
    const char *template;
    const char *settings;
    const char *settings_mode;
    const char *engine;
    const char *cpus;
    const char *mem;
    const char *disk;
    const char *ports;
    const char *vm;
    const char *lines;
    const char *wait_for;
    const char *timeout;
    bool force;
    bool suspend;
    bool force_mount;
    bool voice;
    bool yes;
    bool share_login;
    bool dry_run;
    bool leftovers;
    bool json;
    bool follow;
    bool no_tmux;
    bool quiet;
    bool verbose;
    const char *const *names; /* words after the command, n_names of them */
    int n_names;
    uint64_t given; /* which options, as bits */
    int argc;       /* the command line itself */
    char **argv;
    const char *state_dir;   /* set when there is a context */
    const char *const *rest; /* what follows "--", ends in NULL; NULL without a "--" */
};

struct cli_command {
    const char *name;
    const char *arguments; /* for the usage line */
    const char *summary;
    bool takes_names;
    bool names_others; /* the names are not those of VMs that it is about */
    bool takes_rest;
    int (*run)(csb_ctx *ctx, const struct cli_options *o);
};

extern const struct cli_command cmd_start;
extern const struct cli_command cmd_shell;
extern const struct cli_command cmd_status;
extern const struct cli_command cmd_events;
extern const struct cli_command cmd_wait;
extern const struct cli_command cmd_stop;
extern const struct cli_command cmd_stop_all;
extern const struct cli_command cmd_fork;
extern const struct cli_command cmd_prune;
extern const struct cli_command cmd_doctor;
extern const struct cli_command cmd_restart_hooks;
extern const struct cli_command cmd_delete;
extern const struct cli_command cmd_rebuild;
extern const struct cli_command cmd_complete; /* for shells, and in no list */

/* options.c: -1 to go on with *command, else the exit status to end with. */
int cli_parse(int argc, char **argv, struct cli_options *o, const struct cli_command **command);
extern const struct cli_command *const cli_commands[];
/* A line an option, for shells: letter, name, value, help and the commands that take it, with tabs
 * between; "-" for none, or all commands. */
void cli_list_options(void);

/* report.c: the one place that turns an error into words and an exit status. Frees it. */
int cli_report(csb_error *err);
/* Text that came from somewhere else, made safe for a terminal. */
void cli_print_safe(const char *text);
int cli_usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* actions.c: for one machine each, with a line of success unless quiet. */
int cli_stop(csb_vm *vm, const struct cli_options *o);
int cli_delete(csb_vm *vm, const struct cli_options *o, unsigned flags);
/* Asks on a terminal; yes without one, and with -f or -y. */
bool cli_confirm(const struct cli_options *o, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* quote.c: to be freed; NULL when memory ran out. */
char *cli_quote(const char *text);

/* guest_ask.c: runs a program in a VM that runs, for at most so long, and takes what it says: its exit
 * status, -1 when it could not be asked. */
int cli_guest_ask(csb_vm *vm, const char *const *argv, int ms, char *out, size_t size);
/* What a guest says goes through such a pipe. What that holds is all that is taken, and no disk of the
 * host's is filled: a guest that says more waits until its time is up. -1 where there is none. */
int cli_pipe_open(int fds[2]);
void cli_pipe_read(int fd, char *out, size_t size);

/* guest_holds.c: tells a person what would be lost with this VM, as far as it can be seen. */
void cli_print_holds(const csb_vm *vm, const struct cli_options *o);
/* actions.c: whether cli_confirm() would ask. */
bool cli_would_ask(const struct cli_options *o);

/* progress.c */
void cli_progress(int step, int steps, const char *text, void *userdata);
void cli_progress_end(void);

/* context.c: contexts as the options ask for them; a signal ends the running call of each. */
void cli_catch_signals(void);
/* Whether there was one. */
bool cli_is_interrupted(void);
/* NULL when what is wrong was reported, with the exit status for it. */
csb_ctx *cli_new_context(const struct cli_options *o, bool progress, int *status);
/* The same for questions that may take so long, and no longer. */
csb_ctx *cli_new_hasty_context(const struct cli_options *o, int timeout_ms);
/* One as these say, with an error instead of a word. */
csb_ctx *cli_open_context(const csb_ctx_options *options, csb_error **err);
void cli_free_context(csb_ctx *ctx);

/* parallel.c: does the same to many machines at once, each with a context of its own; the first bad
 * exit status in the order of the names, and every failure is reported. */
int cli_parallel(const struct cli_options *o, const char *const *names, size_t n,
                 int (*fn)(csb_vm *vm, const struct cli_options *o));

/* duration.c: "90", "10m"; -1, or the exit status of a usage error. */
int cli_parse_duration(const char *option, const char *text, int64_t *ms);

/* ports.c: "8080:80,9090"; -1, or the exit status of a usage error. */
int cli_parse_ports(const char *text, csb_port *ports, size_t max, size_t *n);

/* moved.c: tells a person that a VM is new where the project may have had one under another path. */
void cli_say_if_moved(const struct cli_options *o, const csb_vm *made);

/* What the options say of a new machine; text and ports are part of it. */
#define CLI_PORTS_MAX 64
struct cli_plan {
    csb_vm_options options;
    csb_port ports[CLI_PORTS_MAX];
    char settings[4096];
};

/* -1 to go on, else the exit status to end with. */
int cli_plan(csb_ctx *ctx, const struct cli_options *o, struct cli_plan *ret);

/* ensure.c: --cpus, --mem and --disk; -1, or the exit status of a usage error. */
int cli_parse_sizes(const struct cli_options *o, csb_vm_options *v);
/* What new VMs are copies of when nothing is said: the tools VM, where it has been built for the
 * engine that is to be used; else NULL. */
const char *cli_default_base(csb_ctx *ctx);
bool cli_is_default_base(const csb_vm *vm, const char *engine);
/* The project's machine, made if there is none, and running. */
int cli_ensure_running(csb_ctx *ctx, const struct cli_options *o, csb_vm **ret);

/* find.c: the machines that a command is about: those named, else the project's. Calls fn for each; the
 * first bad exit status wins, and the others are still served. */
int cli_for_each(csb_ctx *ctx, const struct cli_options *o,
                 int (*fn)(csb_vm *vm, const struct cli_options *o));

#endif
