/* SPDX-License-Identifier: MIT */
#ifndef CSB_QEMU_MAKE_H
#define CSB_QEMU_MAKE_H

#include "engine/engine.h"

/* As engine.h says of these verbs. */
int csb__qemu_create(struct csb__env *env, const struct csb__spec *spec,
                     const struct csb__source *source, csb_error **err);
int csb__qemu_clone(struct csb__env *env, const struct csb__spec *spec,
                    const struct csb__source *source, csb_error **err);
int csb__qemu_configure(struct csb__env *env, const struct csb__spec *spec, const char *home_dir,
                        csb_error **err);
int csb__qemu_remove(struct csb__env *env, const char *name, const char *home_dir, csb_error **err);

int csb__qemu_rename(struct csb__env *env, const char *name, const char *new_name,
                     const char *home_dir, csb_error **err);

#endif
