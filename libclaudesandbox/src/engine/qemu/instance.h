/* SPDX-License-Identifier: MIT */
/* The files of one machine: where they are, and what is written down in them. */
#ifndef CSB_QEMU_INSTANCE_H
#define CSB_QEMU_INSTANCE_H

#include <sys/types.h>

#include "core/env.h"
#include "core/strbuf.h"

struct csb__instance {
    char *name;
    char *dir;     /* STATE/qemu/NAME */
    char *run_dir; /* STATE/run/HASH: sockets, whose paths must be short */
    /* config.json, settled when the machine is made */
    int cpus;
    uint64_t memory;
    uint64_t disk;
    char *image;        /* the image's directory */
    char *warm;         /* the directory of the warm template whose disk lies below its own; "" */
    char *warm_of;      /* what that was made of besides the image: a base VM's disk; "" */
    uint64_t warm_disk; /* how large its disk is; 0 without one */
    bool fresh;         /* it has not run: it can be woken from that template */
    bool kept;          /* what ran in it when it was stopped lies in its directory, see wake.h */
    /* run.json, of the last start; pid 0 when there was none */
    pid_t pid;
    uint64_t start_time;
    char *boot;
    int ssh_port;
    char *lent;      /* the directory that its guest had by virtiofs, until that was settled; "" */
    int64_t lent_at; /* since when, in seconds since 1970 */
    bool ready;      /* the guest has said so */
    bool virtiofs;   /* how its project is shared; settled at each start, and not written down */
};

/* Paths only; nothing need exist. */
int csb__instance_init(struct csb__env *env, const char *name, struct csb__instance *ret,
                       csb_error **err);
/* Paths and what run.json says, which is enough to find its process and to end it. */
int csb__instance_load_process(struct csb__env *env, const char *name, struct csb__instance *ret,
                               csb_error **err);
/* What config.json says, into one of csb__instance_load_process(). */
int csb__instance_load_config(struct csb__instance *i, csb_error **err);
/* Paths and what is written down; ENOTFOUND when there is no such machine. */
int csb__instance_load(struct csb__env *env, const char *name, struct csb__instance *ret,
                       csb_error **err);
void csb__instance_finish(struct csb__instance *i);
#define CSB__AUTOINSTANCE CSB__CLEANUP(csb__instance_finish) struct csb__instance

int csb__instance_save_config(const struct csb__instance *i, csb_error **err);
int csb__instance_save_run(const struct csb__instance *i, csb_error **err);
/* A path in its directory, to be freed; NULL when memory ran out. */
char *csb__instance_path(const struct csb__instance *i, const char *name);
/* A socket's path, likewise. */
char *csb__instance_socket(const struct csb__instance *i, const char *name);
/* How long a name may be: names become parts of paths only, so only our own limit. */
bool csb__instance_paths_fit(struct csb__env *env);

#endif
