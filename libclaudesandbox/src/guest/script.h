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

/* Environment goes to the guest in variables of this prefix, which every Debian and Ubuntu sshd
 * accepts (AcceptEnv LC_*): so values stand in no argument list and in no file. */
#define CSB__CARRIED "LC_CSB_"

struct csb__command {
    const char *const *argv; /* NULL with login: an interactive login shell */
    const char *const *env;  /* "NAME=value" ...; only the names go into the script */
    const char *cwd;         /* NULL: where ssh lands, the home directory */
    const char *token;       /* names the file that holds its process group, for the script below */
    bool login;              /* with the environment of a login shell */
};

void csb__command_script(struct csb__strbuf *out, const struct csb__command *command);
/* Ends the command of that token: TERM, and KILL for what is left. */
void csb__kill_script(struct csb__strbuf *out, const char *token);

#endif
