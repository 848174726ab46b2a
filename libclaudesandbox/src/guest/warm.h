/* SPDX-License-Identifier: MIT */
/* What makes a guest warm, which others are to be woken from. */
#ifndef CSB_GUEST_WARM_H
#define CSB_GUEST_WARM_H

#include "engine/engine.h"

/* Sets it up as any guest, without a project, and does once what sessions do, so that programs and
 * files are in its memory. Leaves nothing behind that belongs to anybody. */
int csb__guest_warm_up(struct csb__env *env, const struct csb__door *door, csb_error **err);

#endif
