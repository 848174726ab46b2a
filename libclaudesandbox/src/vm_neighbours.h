/* SPDX-License-Identifier: MIT */
#ifndef CSB_VM_NEIGHBOURS_H
#define CSB_VM_NEIGHBOURS_H

#include "core/env.h"
#include "model/record.h"

/* EEXISTS when its project has a machine, EINVAL when another machine can write what lies around one
 * of its directories, or it could write around another's. */
int csb__neighbours_check(struct csb__env *env, const struct csb__spec *spec, csb_error **err);

/*
 * Writes down a machine that is about to be made, so that from here on others see that its
 * directories are taken; or says why not, as csb__neighbours_check(). Two at the same time see each
 * other.
 */
int csb__neighbours_reserve(struct csb__env *env, const struct csb__record *record,
                            csb_error **err);

#endif
