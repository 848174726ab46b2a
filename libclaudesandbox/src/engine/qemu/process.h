/* SPDX-License-Identifier: MIT */
/* The QEMU process of an instance: is it there, and is it really it. */
#ifndef CSB_QEMU_PROCESS_H
#define CSB_QEMU_PROCESS_H

#include "engine/qemu/instance.h"

bool csb__qemu_alive(const struct csb__instance *i);
/* Waits for its end. ETIMEOUT when it lives on after ms, or the call's time is over; ECANCELED. */
int csb__qemu_wait_end(struct csb__env *env, const struct csb__instance *i, int ms,
                       csb_error **err);
/* TERM, by which QEMU flushes and ends, then KILL. EENGINE when even that did not help, ECANCELED
 * when it was not waited for. */
int csb__qemu_kill(struct csb__env *env, const struct csb__instance *i, csb_error **err);
/* After a crash of ours between starting QEMU and writing it down: finds it by its pid file, if
 * that process carries our directory in its arguments. True when it was found now. */
bool csb__qemu_find(struct csb__instance *i);
/* The same, and writes it down: with the machine's lock. */
void csb__qemu_adopt(struct csb__env *env, struct csb__instance *i);

#endif
