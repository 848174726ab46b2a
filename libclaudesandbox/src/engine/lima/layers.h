/* SPDX-License-Identifier: MIT */
/*
 * Disks that nobody writes any more, which others lie on: $LIMA_HOME/_claude-sandbox/ID.qcow2. Lima
 * takes no name that begins so for a machine.
 *
 * What is copied is not the base's disk file, which its next start would change under all copies,
 * but what becomes of it: it moves there, and the base goes on with a disk on top of it as the
 * copies do. So a base can be started, renamed, replaced and deleted at any time, by limactl too.
 * They are named by a relative path: a home that is moved keeps its machines.
 */
#ifndef CSB_ENGINE_LIMA_LAYERS_H
#define CSB_ENGINE_LIMA_LAYERS_H

#include "engine/engine.h"
#include "engine/lima/qcow2.h"

/* What a copy of the disk of `base`, which is stopped, is to be laid on: `ret` is as a qcow2 file in
 * a directory of the home has it. With the home's lock. ENOTSUP for a disk of another kind, and for
 * one of more than `most` bytes (0: any). */
int csb__lima_layer_of(const char *home, const char *base, uint64_t most, struct csb__qcow2 *ret,
                       csb_error **err);

/* A disk with nothing on it but its layer. */
int csb__lima_layer_write(const char *path, const struct csb__qcow2 *disk, csb_error **err);

/* Removes those that no disk of the home lies on. With the home's lock. */
void csb__lima_layers_clean(const char *home);

#endif
