/* SPDX-License-Identifier: MIT */
/* csb-guest in a guest, as the keeper of programs there (guest/script.h). Our own image has it; any
 * other Linux of this machine's kind can be given it. */
#ifndef CSB_GUEST_KEEPER_H
#define CSB_GUEST_KEEPER_H

#include "engine/engine.h"

/* The number changes with the keeper: a guest keeps the one that it has. */
#define CSB__KEEPER_DIR "/usr/local/lib/claude-sandbox"
#define CSB__KEEPER_PATH CSB__KEEPER_DIR "/keeper-1"

/* Puts it there over the open connection; *ret says whether it is. That we have none for it, or that the
 * guest does not take it, is no error: ECANCELED, ENOMEM. */
int csb__keeper_bring(struct csb__env *env, const struct csb__door *door, bool *ret,
                      csb_error **err);

#endif
