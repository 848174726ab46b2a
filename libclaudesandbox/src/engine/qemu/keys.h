/* SPDX-License-Identifier: MIT */
/* A machine's own ssh keys, both made on the host: the guest's host key is known before it boots,
 * so nobody can take its place. */
#ifndef CSB_QEMU_KEYS_H
#define CSB_QEMU_KEYS_H

#include "engine/engine.h"
#include "engine/qemu/instance.h"

/* Makes both, anew. */
int csb__keys_make(struct csb__env *env, const struct csb__instance *i, csb_error **err);
/* Writes ssh.config and known_hosts for the port that the machine has now. */
int csb__keys_write_config(const struct csb__instance *i, const char *user, csb_error **err);
/* How ssh is told to go there. */
int csb__keys_door(const struct csb__instance *i, struct csb__door *ret, csb_error **err);

#endif
