/* SPDX-License-Identifier: MIT */
/* What a warm template depends on: with another key it is another template. */
#ifndef CSB_QEMU_WARM_KEY_H
#define CSB_QEMU_WARM_KEY_H

#include "engine/qemu/image.h"
#include "engine/qemu/instance.h"

/* The disk of a template that is made of the image, and so the least that a machine has which is woken
 * from it. */
#define CSB__WARM_DISK (UINT64_C(40) << 30)

/* Also what a template's guest is called, as long as it is one. */
#define CSB__WARM_NAME "claude-sandbox-warm"

/* Of a machine its sizes and its warm_of count, nothing else. */
int csb__warm_key(struct csb__env *env, const struct csb__instance *i,
                  const struct csb__image *image, char key[17], csb_error **err);
/* Whether a template, by its directory, is what would be made for that machine today: QEMU may be
 * another one since. */
bool csb__warm_is_current(struct csb__env *env, const struct csb__instance *i,
                          const struct csb__image *image, const char *dir);

#endif
