/* SPDX-License-Identifier: MIT */
/* Bringing a QEMU process up and down. */
#ifndef CSB_QEMU_MACHINE_H
#define CSB_QEMU_MACHINE_H

#include "engine/qemu/instance.h"
#include "model/spec.h"

/* Starts it and waits until the guest says it is ready; ends what it started if it fails. */
int csb__machine_start(struct csb__env *env, struct csb__instance *i, const struct csb__spec *spec,
                       csb_error **err);
/* Lets a machine run on that QEMU paused because the host's disk was full (its way of not losing
 * the guest's writes). */
int csb__machine_resume(struct csb__env *env, const struct csb__instance *i, csb_error **err);
/* Asks the guest, then QEMU, then the kernel. */
int csb__machine_stop(struct csb__env *env, struct csb__instance *i, bool force, csb_error **err);
/* The end of what the guest wrote to its console, and of what QEMU said. */
void csb__machine_console(struct csb__env *env, const struct csb__instance *i,
                          struct csb__strbuf *out);

#endif
