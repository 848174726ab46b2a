/* SPDX-License-Identifier: MIT */
/* Where a VM's events arrive on the host: a socket file in a directory that is closed to others. */
#ifndef CSB_HOOKS_ENDPOINT_H
#define CSB_HOOKS_ENDPOINT_H

#include <sys/types.h>

#include "core/env.h"

/* STATE/run/hooks, to be freed; NULL when memory ran out. */
char *csb__hooks_dir(const struct csb__env *env);
/* The VM's socket there, to be freed. The directory need not exist. EINVAL when the path is too long
 * for a socket. */
int csb__hooks_socket_path(const struct csb__env *env, const char *vm, char **ret, csb_error **err);

/* The subscribers' socket, to be freed. */
int csb__hooks_relay_path(const struct csb__env *env, char **ret, csb_error **err);

struct csb__endpoint {
    char *path;
    int fd; /* -1: not open */
    dev_t dev;
    ino_t ino;
};

#define CSB__ENDPOINT_INIT                                                                         \
    { NULL, -1, 0, 0 }

/*
 * Makes the directory, closed to others, and takes its lock: the sockets there are whose who has it.
 * EBUSY when another has. The lock goes with the fd.
 */
int csb__hooks_lock(struct csb__env *env, int *ret_fd, csb_error **err);

/* EBUSY: somebody has it, and can't be reached either. */
int csb__hooks_fail_busy(csb_error **err);
/* Whether anybody has it. */
bool csb__hooks_is_locked(const struct csb__env *env);
/* Removes the sockets of VMs that are no more, which a killed server has left. With the lock, and before
 * one is made. */
void csb__hooks_sweep(const struct csb__env *env);

/* Listens at the path, which it takes over in either case. A socket of ours that nobody serves is
 * replaced; EEXISTS for anything else. To be called with the lock. */
int csb__endpoint_open(struct csb__endpoint *e, char *path, csb_error **err);
/* Removes the socket, if it is the one that was made. */
void csb__endpoint_close(struct csb__endpoint *e);

#endif
