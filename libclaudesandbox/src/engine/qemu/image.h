/* SPDX-License-Identifier: MIT */
/* The guest image that all our machines share, made from the distribution's packages by the recipe
 * in guest/image and kept by the hash of all that went into it. */
#ifndef CSB_QEMU_IMAGE_H
#define CSB_QEMU_IMAGE_H

#include "core/env.h"

/* Of who makes images, and who removes them. */
#define CSB__IMAGE_LOCK ".image"

struct csb__image {
    char *dir;
    char *kernel; /* paths */
    char *initrd;
    char *root;
    char *kernel_args;
    uint64_t size; /* of the disk */
};

void csb__image_finish(struct csb__image *image);
#define CSB__AUTOIMAGE CSB__CLEANUP(csb__image_finish) struct csb__image

/* The image of today's recipe; built if it is not there. Minutes then, with progress. */
int csb__image_ensure(struct csb__env *env, struct csb__image *ret, csb_error **err);
/* The hash of today's recipe, of which images have the first 16 digits as their name. */
int csb__image_current(struct csb__env *env, char hash[65], csb_error **err);
/* One that is there. */
int csb__image_load(const char *dir, struct csb__image *ret, csb_error **err);

#endif
