/* SPDX-License-Identifier: MIT */
/* What makes a booting copy of the shared image this machine and no other: files that the guest
 * reads by fw_cfg. */
#ifndef CSB_QEMU_IDENTITY_H
#define CSB_QEMU_IDENTITY_H

#include "engine/qemu/instance.h"
#include "model/spec.h"

/* The guest's user: the host's name where it is one, else "claude". */
void csb__guest_user(char *out, size_t size);
/* What a new machine keeps for good: its ssh keys and machine-id, in its directory. */
int csb__identity_make(struct csb__env *env, const struct csb__instance *i, csb_error **err);
/* Writes them all, anew. */
int csb__identity_write(const struct csb__instance *i, const struct csb__spec *spec,
                        csb_error **err);

#endif
