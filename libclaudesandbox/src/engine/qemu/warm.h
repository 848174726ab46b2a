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

/* The disk of every template, and so the least that a machine has which is woken from one. */
#define CSB__WARM_DISK (UINT64_C(40) << 30)

/* Of who makes templates, and who removes them. */
#define CSB__WARM_LOCK ".warm"

struct csb__warm {
    char key[17];
    char *dir;  /* "ram", "state", "disk.qcow2" */
    char *disk; /* which lies below those of its machines */
};

void csb__warm_finish(struct csb__warm *w);
#define CSB__AUTOWARM CSB__CLEANUP(csb__warm_finish) struct csb__warm

/* The one for a machine with these sizes and this image (of `i` nothing else counts), made if it is
 * not there: as long as a boot then, with progress. */
int csb__warm_ensure(struct csb__env *env, const struct csb__instance *i,
                     const struct csb__image *image, const struct csb__source *source,
                     struct csb__warm *ret, csb_error **err);
/* Whether a template, by its directory, is what would be made for that machine today: QEMU may be
 * another one since. */
bool csb__warm_is_current(struct csb__env *env, const struct csb__instance *i,
                          const struct csb__image *image, const char *dir);

/* Whether the template in that directory is what would be made today for an image of that name. */
bool csb__warm_would_serve(struct csb__env *env, const char *dir, const char *image_name);

#endif
