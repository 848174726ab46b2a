/* SPDX-License-Identifier: MIT */
/* A template's scripts, for engines that don't run them themselves. Each runs once: the guest keeps
 * a note, which goes along when its disk is copied. */
#ifndef CSB_GUEST_PROVISION_H
#define CSB_GUEST_PROVISION_H

#include "engine/engine.h"

/* The commands that run the index-th script as sh has them on its stdin. token: for names, of
 * characters that need no quotes. */
void csb__provision_script(struct csb__strbuf *out, const struct csb__template *t, size_t index,
                           const char *token);
/* The commands that make the template's variables part of every login; nothing when it has none. */
void csb__provision_env_script(struct csb__strbuf *out, const struct csb__template *t);

/*
 * Runs those that have not run yet, in order, also after one has failed. What they say is logged.
 * EENGINE for the first that failed, with the end of its output; it and those behind it that failed
 * run again next time.
 */
int csb__provision(struct csb__env *env, const struct csb__door *door,
                   const struct csb__template *t, csb_error **err);

#endif
