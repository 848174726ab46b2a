/* SPDX-License-Identifier: MIT */
#ifndef CSB_VM_NEIGHBOURS_H
#define CSB_VM_NEIGHBOURS_H

#include "core/env.h"
#include "model/record.h"

/*
 * Writes down a machine that is about to be made, so that from here on others see that its
 * directories are taken. EEXISTS when its project has a machine, EINVAL when another machine can
 * write what lies around one of its directories, or it could write around another's. Two at the
 * same time see each other.
 */
int csb__neighbours_reserve(struct csb__env *env, const struct csb__record *record,
                            csb_error **err);

#endif
