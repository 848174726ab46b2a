/* SPDX-License-Identifier: MIT */
/*
 * What our servers have in common: one of a name runs per state directory, in the background or not,
 * and is found, asked and stopped through its control socket. A server is a struct daemon_program;
 * everything is called from one thread, out of daemon_main().
 *
 * Verbs that every server has: run (also without a verb), start, stop, restart, status [--json].
 */
#ifndef DAEMON_H
#define DAEMON_H

#include <stdint.h>
#include <stdio.h>

#include <claudesandbox.h>

enum { DAEMON_DONE = 0, DAEMON_NOT_RUNNING = 1, DAEMON_USAGE = 2, DAEMON_FAILED = 125 };

struct daemon;
struct daemon_report;

/* A further verb of the command line. It runs in the user's process, not in the server. */
struct daemon_verb {
    const char *name; /* NULL ends the list */
    const char *arguments;
    const char *help;
    /* argv: the words behind the verb, ends in NULL. Returns the exit status. */
    int (*run)(struct daemon *d, int argc, char **argv);
};

struct daemon_program {
    const char *name;                /* in messages, and of the files in the state directory */
    const char *summary;             /* for --help */
    const struct daemon_verb *verbs; /* may be NULL */
    /* Called when no other server runs, before anybody is told that this one does. -1 when it can't
     * serve, after daemon_fail(). */
    int (*open)(struct daemon *d);
    /* Called at the end, if open() was; also when that failed. May be NULL. */
    void (*close)(struct daemon *d);
    /* Called before each wait, so after each event and each end of a child: returns in how many
     * milliseconds it wants to be called at the latest, -1 for no limit. May be NULL. */
    int (*tick)(struct daemon *d);
    /* Adds to what `status` tells. May be NULL. */
    void (*status)(struct daemon *d, struct daemon_report *r);
    /* A line that came over the control socket, from the same user, without its newline. What is
     * written to `reply` (at most 4 KiB) goes back: the answer, or with -1 the reason why not. May be
     * NULL. */
    int (*control)(struct daemon *d, const char *line, FILE *reply);
    void *userdata;
};

/* The program: what main() returns. */
int daemon_main(const struct daemon_program *program, int argc, char **argv);

void *daemon_userdata(const struct daemon *d);
/* The context of the server, or of the verb; with its state directory. */
csb_ctx *daemon_ctx(const struct daemon *d);

/* -- the loop -- */

typedef void (*daemon_fd_fn)(struct daemon *d, int fd, short revents, void *userdata);

/* Calls fn when poll() has `events` for fd, until daemon_unwatch(). Again for the same fd: replaces
 * what was said. -1 without memory. */
int daemon_watch(struct daemon *d, int fd, short events, daemon_fd_fn fn, void *userdata);
/* To be called before the fd is closed. */
void daemon_unwatch(struct daemon *d, int fd);
/* Ends the loop after this round. */
void daemon_stop(struct daemon *d);

/* -- sockets -- */

/*
 * A socket that only this user can reach, listening; non-blocking, as all of these. Its directory
 * must come from daemon_private_dir(). A socket of ours that nobody serves is replaced, which the
 * server may do since no other runs; anything else in the way is an error. -1 after daemon_fail().
 */
int daemon_listen(struct daemon *d, const char *path);
/* A connection of the same user; -1 when there is none (any more), or only of somebody else. */
int daemon_accept(int listen_fd);
/* Removes the path of such a socket, and nothing else that may lie there. */
void daemon_remove_socket(const char *path);
/* Makes a directory below the state directory that only this user can enter: its path, to be freed;
 * NULL after daemon_fail(). */
char *daemon_private_dir(struct daemon *d, const char *name);

/* For what a child says: CLOEXEC both, and the end to read, fds[0], does not block. -1 with errno. */
int daemon_pipe(int fds[2]);
/* Milliseconds of a clock that only goes forward. */
int64_t daemon_now_ms(void);

/* -- words -- */

/* Why open() or a verb failed: one sentence, of which the last one counts. Always -1. */
int daemon_fail(struct daemon *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *daemon_reason(const struct daemon *d);
/* The same with the library's words. Frees err. */
int daemon_fail_error(struct daemon *d, csb_error *err);
/* Tells the user at once, as "NAME: text"; for verbs. */
void daemon_say(const struct daemon *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line of the server's log: stderr, or STATE/log/NAME.log, which is kept small. */
void daemon_log(struct daemon *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A line of `status`: "label: value", and a member of the JSON. */
void daemon_report_text(struct daemon_report *r, const char *key, const char *value);
void daemon_report_number(struct daemon_report *r, const char *key, int64_t value);
/* Unix seconds: in the JSON as such, in words as the user's clock has it. */
void daemon_report_time(struct daemon_report *r, const char *key, int64_t value);

/*
 * For verbs: sends a line to the server that runs and prints its answer to `out`, which may be NULL.
 * DAEMON_DONE, DAEMON_NOT_RUNNING, or DAEMON_FAILED after daemon_fail().
 */
int daemon_ask(struct daemon *d, const char *line, FILE *out);

#endif
