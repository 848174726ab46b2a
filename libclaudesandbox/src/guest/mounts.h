/* SPDX-License-Identifier: MIT */
/* Holds what a guest has mounted against what was asked. Pure: the guest's words are data. */
#ifndef CSB_GUEST_MOUNTS_H
#define CSB_GUEST_MOUNTS_H

#include "engine/engine.h"

/*
 * text: the guest's /proc/self/mountinfo (proc(5)).
 *
 * EPROTOCOL when a mount that was asked for is missing or has other rights, or when the guest
 * mounts a share of the host that was not asked for.
 */
int csb__mounts_check(const char *text, const struct csb__engine *engine,
                      const struct csb__spec *spec, csb_error **err);

#endif
