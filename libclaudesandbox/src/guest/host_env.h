/* SPDX-License-Identifier: MIT */
/* What of the caller's environment a guest gets; nothing else gets in. */
#ifndef CSB_GUEST_HOST_ENV_H
#define CSB_GUEST_HOST_ENV_H

#include "core/strbuf.h"

/* For every session of a user: how the host's terminal and language are. Nothing secret, so it may
 * stand in an argument list. What `given` (may be NULL) names is left out. */
void csb__host_env_session(struct csb__strv *out, const char *const *given);
/* For Claude: credentials, endpoint, and what makes it run without questions; likewise. */
void csb__host_env_claude(struct csb__strv *out, const char *const *given);

/* The value of a name in "NAME=value" entries; NULL where it isn't there. Borrowed. */
const char *csb__env_value(const char *const *env, const char *name);

#endif
