/* SPDX-License-Identifier: MIT */
#ifndef CSB_QEMU_WARM_MAKE_H
#define CSB_QEMU_WARM_MAKE_H

#include "engine/engine.h"
#include "engine/qemu/image.h"
#include "engine/qemu/instance.h"

/* Makes the template `dir`, all of it or nothing, for machines like that one; as csb__warm_ensure()
 * says. With the lock of those who make them, and within some minutes: EENGINE then, and for an hour
 * from then on at once. */
int csb__warm_make(struct csb__env *env, const struct csb__instance *like,
                   const struct csb__image *image, const struct csb__instance *base,
                   const struct csb__source *source, const char *dir, csb_error **err);

#endif
