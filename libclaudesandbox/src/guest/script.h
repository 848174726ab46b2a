/* SPDX-License-Identifier: MIT */
/* What is said to a guest's shell, made of values. Pure. */
#ifndef CSB_GUEST_SCRIPT_H
#define CSB_GUEST_SCRIPT_H

#include <stdbool.h>

#include "core/strbuf.h"

/* One word for a POSIX shell, whatever bytes it holds. */
void csb__shell_quote(struct csb__strbuf *out, const char *text);

/* NAME=value where NAME is one for a shell. */
bool csb__env_entry_valid(const char *entry);

/*
 * A program in a guest has a keeper, who ends it when the host's side is gone. Where csb-guest is in
 * the guest, and stdin is free or a terminal, it is the keeper, inside the program's own session (guest/keeper.c). Else
 * two sessions make a program: the program itself, and its keeper. The keeper comes first,
 * or at the same time. It lives as long as the pipe to its stdin does, which the host's process holds: so it ends the
 * program when that process is gone, however that came about, or when the connection is. Signals
 * come by the same way. They meet in a file of the guest's memory that is named by a token.
 *
 * Environment goes there too, for the keeper to put where only the guest's user can read it, and the
 * program's shell removes it as it reads it: so values stand in no argument list and on no disk.
 * (SendEnv would do, but over a shared connection it only passes what the master was started with,
 * and Lima's was not.)
 */
#define CSB__TOKEN_FILE "/dev/shm/.csb-"
#define CSB__STASH "/dev/shm/.csb-env-"

/* What the keeper is told when the program is to end: TERM, and KILL if that is of no use. */
#define CSB__KEEPER_END "end\n"

/* The environment that is first on the keeper's stdin: entries of csb__env_entry_valid(). */
void csb__stash_text(struct csb__strbuf *out, const char *const *env);
/* `stash_len` bytes of environment come before anything else; 0: there is none. Then a line each:
 * the name of a signal for the program's group, or CSB__KEEPER_END. It says the token when it is
 * at its post. */
void csb__keeper_script(struct csb__strbuf *out, const char *token, size_t stash_len);

struct csb__command {
    const char *const *argv; /* NULL with login: an interactive login shell */
    const char *const *env;  /* entries of csb__env_entry_valid() that everybody may see; or NULL */
    bool stashed;            /* more of its environment was stashed under the token */
    const char *cwd;         /* NULL: where ssh lands, the home directory */
    const char *token;       /* that of its keeper; NULL: it has none, or one inside */
    const char *keeper;      /* inside: csb-guest's path there; not without argv, nor stashed */
    bool tty;                /* it has a terminal; told to a keeper inside */
    bool login;              /* with the environment of a login shell */
};

void csb__command_script(struct csb__strbuf *out, const struct csb__command *command);

/* The name of one of this system's signals, for any other: numbers differ. NULL for one that is not
 * to be had everywhere. */
const char *csb__signal_name(int signo);

#endif
