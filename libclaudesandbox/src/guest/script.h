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
 * Environment goes to the guest as a file in its memory that only its user can read and that the
 * command removes as it reads it: so values stand in no argument list and on no disk. (SendEnv
 * would do, but over a shared connection it only passes what the master was started with, and
 * Lima's was not.)
 */
#define CSB__STASH "/dev/shm/.csb-env-"

/* What to put there: entries of csb__env_entry_valid(). */
void csb__stash_text(struct csb__strbuf *out, const char *const *env);
/* The script that puts its stdin there. */
void csb__stash_script(struct csb__strbuf *out, const char *token);

struct csb__command {
    const char *const *argv; /* NULL with login: an interactive login shell */
    const char *const *env;  /* entries of csb__env_entry_valid() that everybody may see; or NULL */
    bool stashed;            /* more of its environment was stashed under the token */
    const char *cwd;         /* NULL: where ssh lands, the home directory */
    const char *token;       /* names the files that go with it */
    bool login;              /* with the environment of a login shell */
};

void csb__command_script(struct csb__strbuf *out, const struct csb__command *command);
/* Ends the command of that token, TERM and then KILL, and forgets its environment. */
void csb__kill_script(struct csb__strbuf *out, const char *token);

#endif
