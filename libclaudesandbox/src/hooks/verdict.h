/* SPDX-License-Identifier: MIT */
/* One answer out of those of several listeners. Pure. */
#ifndef CSB_HOOKS_VERDICT_H
#define CSB_HOOKS_VERDICT_H

#include "hooks/reply.h"

/* Adds what one more said, and empties that. */
void csb__verdict_add(csb_reply *verdict, csb_reply *said);

#endif
