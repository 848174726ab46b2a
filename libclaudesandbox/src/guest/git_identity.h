/* SPDX-License-Identifier: MIT */
#ifndef CSB_GUEST_GIT_IDENTITY_H
#define CSB_GUEST_GIT_IDENTITY_H

#include "core/env.h"
#include "core/strbuf.h"

/* Adds to a guest's script what gives commits there the host user's name and address, unless the
 * guest has its own. Nothing where the host has none. ECANCELED. */
int csb__git_identity(struct csb__env *env, struct csb__strbuf *script, csb_error **err);

#endif
