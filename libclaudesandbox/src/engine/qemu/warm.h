/* SPDX-License-Identifier: MIT */
/* Warm templates: a guest that was booted once, made ready for work and kept, from which a new
 * machine is woken in place of a boot. Each lies in STATE/warm/KEY, and the key is made of all that
 * it depends on. Nothing in one is secret, or belongs to a machine: what the guest was called and
 * who could reach it is forgotten before it is kept, and was thrown away with it. */
#ifndef CSB_QEMU_WARM_H
#define CSB_QEMU_WARM_H

#include "engine/engine.h"
#include "engine/qemu/image.h"
#include "engine/qemu/instance.h"

/* Of who makes templates, and who removes them. */
#define CSB__WARM_LOCK ".warm"

struct csb__warm {
    char key[17];
    char *dir;  /* "ram", "state", "disk.qcow2" */
    char *disk; /* which lies below those of its machines */
};

void csb__warm_finish(struct csb__warm *w);
#define CSB__AUTOWARM CSB__CLEANUP(csb__warm_finish) struct csb__warm

/* The one for a machine with these sizes and this image, or else of this base, which must be stopped
 * and is not changed (NULL: none); made if it is not there: as long as a boot then, with progress.
 * The machine is noted to lie on it, and to be fresh. */
int csb__warm_ensure(struct csb__env *env, struct csb__instance *i, const struct csb__image *image,
                     const struct csb__instance *base, const struct csb__source *source,
                     struct csb__warm *ret, csb_error **err);
/* The template on which the disk of another one lies, by its directory ("": none), to be freed. NULL
 * where that can't be told. */
char *csb__warm_below(const char *dir);
/* Whether the template in that directory is what would be made today for an image of that name. */
bool csb__warm_would_serve(struct csb__env *env, const char *dir, const char *image_name);

#endif
