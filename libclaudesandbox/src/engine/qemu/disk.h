/* SPDX-License-Identifier: MIT */
/* Disks of machines, by qemu-img: disk.qcow2 in their directories. */
#ifndef CSB_QEMU_DISK_H
#define CSB_QEMU_DISK_H

#include "engine/qemu/instance.h"

/* A new one of i->disk bytes that lies over the file `below`, which must not change from then on. */
int csb__disk_overlay(struct csb__env *env, const struct csb__instance *i, const char *below,
                      const char *format, csb_error **err);
/* The same over a qcow2 in the place of the one it has, which stays where that fails. */
int csb__disk_renew(struct csb__env *env, const struct csb__instance *i, const char *below,
                    csb_error **err);
/* Makes it i->disk bytes large, which must not be less than it is. */
int csb__disk_grow(struct csb__env *env, const struct csb__instance *i, csb_error **err);
/* A copy of that of `from`, as large as `to` says; shares its blocks where the file system can. */
int csb__disk_copy(struct csb__env *env, const struct csb__instance *from,
                   const struct csb__instance *to, csb_error **err);

/* Copies what is kept of the memory of a suspended one. */
int csb__disk_copy_kept(struct csb__env *env, const struct csb__instance *from,
                        const struct csb__instance *to, csb_error **err);

#endif
