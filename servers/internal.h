/* SPDX-License-Identifier: MIT */
/* Between the files of this directory. */
#ifndef DAEMON_INTERNAL_H
#define DAEMON_INTERNAL_H

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

#include "daemon.h"

#define LOG_MAX_BYTES (1 << 20)
#define CLIENTS_MAX 8
#define LINE_MAX_BYTES 1024
#define REPLY_MAX_BYTES 4096

struct watch {
    int fd;
    short events;
    uint64_t serial; /* tells it from a later watch of the same number */
    daemon_fd_fn fn;
    void *userdata;
};

/* A connection to the control socket. */
struct client {
    int fd; /* -1: free */
    int64_t deadline;
    size_t len;
    char line[LINE_MAX_BYTES];
};

struct daemon {
    const struct daemon_program *program;
    csb_ctx *ctx;
    char *lock_path;
    char *ctl_path;
    char *log_path;
    char reason[1024]; /* of daemon_fail() */

    int lock_fd;
    int listen_fd;
    int signal_fds[2];
    int starter_fd; /* whoever started us waits at its other end; else -1 */
    bool in_background;
    bool stopping;
    int64_t since;

    struct watch *watches;
    struct pollfd *polled; /* as of the last round */
    uint64_t *serials;
    size_t n_watches;
    size_t max_watches;
    uint64_t last_serial;
    struct client clients[CLIENTS_MAX];
};

/* files.c */
int daemon__find_files(struct daemon *d);
void daemon__forget_files(struct daemon *d);
/* Makes the directories, and takes the lock: 0 with the lock, 1 when a server runs already, whose
 * pid is told, -1 after daemon_fail(). */
int daemon__take_lock(struct daemon *d, char *pid, size_t size);
/* Is there a server? Asks the lock, without making anything. */
bool daemon__is_locked(const struct daemon *d);
int daemon__open_log(struct daemon *d);

/* control.c: the server's side */
int daemon__control_open(struct daemon *d);
void daemon__control_close(struct daemon *d);
/* Ends connections that take too long; milliseconds until the next would be, or -1. */
int daemon__control_tick(struct daemon *d);

/* ask.c: the other side */
int daemon__ask(struct daemon *d, const char *line, FILE *out, int timeout_ms);
/* The process that listens there, 0 when unknown. */
pid_t daemon__ask_pid(const struct daemon *d);

/* loop.c */
int daemon__signals_open(struct daemon *d);
void daemon__loop(struct daemon *d);
void daemon__sleep_ms(int ms);

/* serve.c */
int daemon__serve(struct daemon *d);
/* detach.c */
int daemon__start(struct daemon *d);
/* What it tells: '+' ready, '=' another runs already, '-' failed; once. */
void daemon__tell_starter(struct daemon *d, char kind, const char *text);

/* say.c */
void daemon__status_text(struct daemon *d, bool json, FILE *out);
void daemon__put_safe(FILE *out, const char *text);

/* system_linux.c, system_macos.c */
int daemon__socket(void);
int daemon__accept(int listen_fd);
int daemon__pipe(int fds[2]);
/* -1 where the system can't say. */
int daemon__peer(int fd, uid_t *uid, pid_t *pid);
/* Tells a service manager that waits for it that we serve. */
void daemon__tell_manager(void);

#endif
