/* SPDX-License-Identifier: MIT */
#ifndef CSB_QEMU_SUSPEND_H
#define CSB_QEMU_SUSPEND_H

#include "engine/qemu/instance.h"

/* Keeps a running machine in its own directory and ends its QEMU; its config says so then. The
 * guest's programs go on when it is woken, but for those that use a shared directory: EBUSY then,
 * and it runs on as it did. */
int csb__machine_suspend(struct csb__env *env, struct csb__instance *i, csb_error **err);

#endif
