/* SPDX-License-Identifier: MIT */
/* Claude in tmux: a window that bears the VM's name, or a session of its own. */
#ifndef TMUX_H
#define TMUX_H

#include "cli.h"

#define CLI_IN_TMUX "--in-tmux" /* what we call ourselves with in a session; for nobody else */

/* Whether anything of this is to be done: for a person, who has not said no. */
bool cli_tmux_wanted(const struct cli_options *o);

/* tmux_session.c: outside of tmux. Runs this command line again in a session named after the VM and
 * waits for its end, or until the user detaches: the exit status; -1 to go on without. */
int cli_tmux_session(const char *vm, const struct cli_options *o);

/* tmux_window.c: inside of tmux. */
struct tmux_window {
    char *tmux; /* NULL: there is nothing to put back */
    char id[32];
    char vm[80];
    char name[256];
    char automatic[16]; /* the window's own automatic-rename; "" when it has none */
};

void cli_tmux_name_window(const char *vm, struct tmux_window *w);
/* Puts back what was, unless somebody renamed it meanwhile. */
void cli_tmux_restore_window(struct tmux_window *w);

/* tmux_handover.c: the command line, directory and environment go to the session over a socket, for a
 * tmux server has an environment of its own, and what goes by its arguments is seen by everybody. */
int cli_handover_listen(const char *path);
/* To whoever connects; the connection, or -1. */
int cli_handover_give(int listen_fd, int argc, char **argv);
/* The exit status that came back; -1 while the other side still runs. Doesn't wait. */
int cli_handover_status(int fd);
/* The other side: takes them over as if we had been called so. 0, or an exit status. */
int cli_handover_take(const char *path, int *argc, char ***argv);
/* And its end: tells the status, where somebody waits for it. */
void cli_handover_end(int status);

#endif
