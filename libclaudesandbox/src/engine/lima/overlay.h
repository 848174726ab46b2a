/* SPDX-License-Identifier: MIT */
/* A copy of a machine on Lima's QEMU in a few milliseconds, without limactl. */
#ifndef CSB_ENGINE_LIMA_OVERLAY_H
#define CSB_ENGINE_LIMA_OVERLAY_H

#include "engine/lima/limactl.h"

/* Makes spec->name a copy of `base`, whose disk is moved for it (layers.h). With both machines' and
 * the home's lock; all or nothing. ENOTSUP when it is better left to limactl: what a base has that
 * we don't know, and all that is wrong with it, limactl knows and tells better. */
int csb__lima_overlay(const struct csb__limactl *l, const struct csb__spec *spec, const char *base,
                      csb_error **err);

#endif
