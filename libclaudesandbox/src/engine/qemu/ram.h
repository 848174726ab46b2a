/* SPDX-License-Identifier: MIT */
/* A guest's memory: a file without a name while it runs, so that it goes with its process, and a
 * file with holes when it is kept. */
#ifndef CSB_QEMU_RAM_H
#define CSB_QEMU_RAM_H

#include <sys/types.h>

#include "core/env.h"

/* An empty one of that many bytes. */
int csb__ram_new(uint64_t bytes, int *ret_fd, csb_error **err);
/* Writes what is not zero to the new file `path`. */
int csb__ram_save(struct csb__env *env, int fd, uint64_t bytes, const char *path, csb_error **err);
/* Fills an empty one from such a file; EPROTOCOL when that has another size. */
int csb__ram_load(struct csb__env *env, const char *path, int fd, uint64_t bytes, csb_error **err);

/* That of a QEMU of ours which runs. */
int csb__ram_of(pid_t pid, int *ret_fd, csb_error **err);

#endif
