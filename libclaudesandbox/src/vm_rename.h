/* SPDX-License-Identifier: MIT */
#ifndef CSB_VM_RENAME_H
#define CSB_VM_RENAME_H

#include "context.h"

/* Finishes a rename that was interrupted, unless somebody is at it. One look at a file when there is
 * none; what goes wrong is logged, and tried again by the next call. */
void csb__rename_settle(csb_ctx *ctx);
/* Keeps others from renaming for as long as *lock is open; NULL: only looks. EBUSY when a rename is half
 * done, so that what is whose can't be told. */
int csb__rename_exclude(csb_ctx *ctx, int *lock, csb_error **err);

#endif
