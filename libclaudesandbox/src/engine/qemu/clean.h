/* SPDX-License-Identifier: MIT */
#ifndef CSB_QEMU_CLEAN_H
#define CSB_QEMU_CLEAN_H

#include "engine/engine.h"

/* As engine.h says of clean. */
int csb__qemu_clean(struct csb__env *env, const struct csb__clean *clean, csb_error **err);

#endif
