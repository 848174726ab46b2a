/* SPDX-License-Identifier: MIT */
#ifndef CSB_QEMU_KVM_PROBE_H
#define CSB_QEMU_KVM_PROBE_H

#include "core/env.h"

/* Whether KVM really runs guests here, proved by running one, remembered until the next boot of the
 * host. `why` is a static phrase for either case. */
bool csb__kvm_usable(struct csb__env *env, const char **why);

#endif
