/* SPDX-License-Identifier: MIT */
/* The QEMU process of a machine, from nothing to a paused guest that somebody can talk about. */
#ifndef CSB_QEMU_LAUNCH_H
#define CSB_QEMU_LAUNCH_H

#include "engine/qemu/image.h"
#include "engine/qemu/instance.h"
#include "engine/qemu/qmp.h"
#include "model/spec.h"

extern const char csb__qemu_program[];

struct csb__launch {
    int ram_fd;    /* its memory */
    bool incoming; /* it waits for the state of one that ran */
};

/* The words that start it. */
int csb__launch_argv(struct csb__env *env, const struct csb__instance *i,
                     const struct csb__spec *spec, const struct csb__image *image,
                     const struct csb__launch *how, struct csb__strv *argv, csb_error **err);
/* Starts it, paused, and writes down that it is there. */
int csb__launch(struct csb__env *env, struct csb__instance *i, const struct csb__spec *spec,
                const struct csb__image *image, const struct csb__launch *how, csb_error **err);
/* Waits for its control socket. */
int csb__launch_wait(struct csb__env *env, const struct csb__instance *i, struct csb__qmp *ret,
                     csb_error **err);
/* Everything a paused machine needs before it may run: its shares, and a way in. */
int csb__launch_prepare(struct csb__qmp *q, struct csb__instance *i, const struct csb__spec *spec,
                        csb_error **err);

#endif
