/* SPDX-License-Identifier: MIT */
/* What can be read of a machine from its directory, $LIMA_HOME/NAME, without asking limactl. */
#ifndef CSB_ENGINE_LIMA_INSTANCE_DIR_H
#define CSB_ENGINE_LIMA_INSTANCE_DIR_H

#include <stdbool.h>

#include "engine/engine.h"

/* A directory of that name, not a link to one. In doubt it is there: nobody then takes it for free. */
bool csb__lima_dir_exists(const char *dir);
/* The user has forbidden to delete it (limactl protect). */
bool csb__lima_dir_protected(const char *dir);

/* Whether Lima adds something of the user's to every machine's configuration. */
bool csb__lima_has_overrides(const char *home);

/* "lima-NAME" with what a host name may not have replaced; to be freed. */
char *csb__lima_host_alias(const char *name);
/* Empty strings unless its ssh.config is its own: a clone has its base's until it starts. */
int csb__lima_door(const char *dir, const char *name, struct csb__door *ret, csb_error **err);

/* Notes that the guest is of use although its host agent does not say so yet; until it ends. */
bool csb__lima_dir_note_early(const char *dir);

/* CSB__LIMA_BOOTING, ...: what its host agent says, or that note. */
int csb__lima_boot_state(const char *dir);

/* When its host agent began, in seconds since 1970; 0 when there is none. */
int64_t csb__lima_dir_started(const char *dir);

/* The ends of its consoles and of its host agent's log. */
void csb__lima_dir_console(const char *dir, struct csb__strbuf *out);

/* Removes pid files and sockets. Only when none of its processes lives. */
void csb__lima_dir_clear_traces(const char *dir);
/* Moves what is in `from` into `to`, as limactl rename does, but for what it leaves behind: what is
 * of a run and the mark of protection. `to` is there; `from` goes. */
int csb__lima_dir_move(const char *from, const char *to, csb_error **err);
/* Removes what a clone has of its base's runs. */
void csb__lima_dir_forget_runs(const char *dir);

#endif
