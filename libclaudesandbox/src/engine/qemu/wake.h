/* SPDX-License-Identifier: MIT */
/* A machine that goes on where it was kept: its memory and the state of its devices lie in a
 * directory, as the files "ram" and "state". */
#ifndef CSB_QEMU_WAKE_H
#define CSB_QEMU_WAKE_H

#include "engine/qemu/image.h"
#include "engine/qemu/instance.h"
#include "model/spec.h"

/* Keeps a running machine there, and leaves it standing still. The guest must have nothing mounted.
 * When it fails the machine runs on, if it can. */
int csb__machine_keep(struct csb__env *env, const struct csb__instance *i, const char *dir,
                      csb_error **err);
/* Ends its QEMU then, once it is written down that the machine was kept. */
int csb__machine_end_kept(struct csb__env *env, const struct csb__instance *i, csb_error **err);
/* Starts the machine from what is kept in `dir` and makes it the one that it is, by its identity's
 * files, before anybody is let in. Its config is written down without `fresh` and `kept` in the
 * moment before it runs. */
int csb__machine_wake(struct csb__env *env, struct csb__instance *i, const struct csb__spec *spec,
                      const struct csb__image *image, const char *dir, csb_error **err);
/* Removes what was kept. */
void csb__machine_forget(const char *dir);

#endif
