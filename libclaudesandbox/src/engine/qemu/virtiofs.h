/* SPDX-License-Identifier: MIT */
/* The project by virtiofs: some ten times as fast as 9p with many small files, and as coherent. It
 * takes a process beside QEMU, virtiofsd, in a user namespace in which the user is itself and all
 * others are its subordinate ids; where that can't be had everything is shared by 9p. */
#ifndef CSB_QEMU_VIRTIOFS_H
#define CSB_QEMU_VIRTIOFS_H

#include "engine/qemu/instance.h"
#include "model/spec.h"

/* Whether it works here, which is asked once a boot of the host, and for this directory: virtiofsd keeps
 * a file open for each that the guest knows, so there must not be more than may be open. */
bool csb__virtiofs_usable(struct csb__env *env, const char *dir);
/* Whether the index-th mount of a machine goes that way: the project does, unless it is read-only,
 * which virtiofsd does not enforce. */
bool csb__virtiofs_takes(const struct csb__instance *i, const struct csb__spec *spec, size_t index);
/* Makes the sockets to which QEMU will connect when it starts: fds[m] for the m-th mount, or -1. */
int csb__virtiofs_listen(const struct csb__instance *i, const struct csb__spec *spec, int *fds,
                         csb_error **err);
/* Starts who listens there. Each ends when QEMU does. */
int csb__virtiofs_serve(const struct csb__spec *spec, const int *fds, csb_error **err);
/* With QEMU gone: ends those to whom it never connected, who would wait for ever. */
void csb__virtiofs_hang_up(const struct csb__instance *i);
/* With its process gone: gives what others than the user have made or changed in the project since its
 * start to the user, for the guest's root is a subordinate id here. */
void csb__virtiofs_settle(struct csb__env *env, struct csb__instance *i);

#endif
