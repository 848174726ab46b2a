/* SPDX-License-Identifier: MIT */
#ifndef CSB_CORE_LOCK_H
#define CSB_CORE_LOCK_H

#include "core/env.h"

/* Takes the lock of that name (a file in the state directory, or `path` if it has a slash) and
 * waits for whoever has it, within the call's time: EBUSY then. The lock goes when the fd is
 * closed, also by our death. `what` is told to the user when there is someone to wait for. */
int csb__lock(struct csb__env *env, const char *name, const char *what, int *ret_fd,
              csb_error **err);
/* The same without waiting: EBUSY at once. */
int csb__lock_try(struct csb__env *env, const char *name, int *ret_fd, csb_error **err);
/* Whether somebody has it now, ourselves included. Makes nothing. */
bool csb__lock_is_held(struct csb__env *env, const char *name);

#endif
