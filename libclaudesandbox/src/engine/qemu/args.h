/* SPDX-License-Identifier: MIT */
/* What QEMU is told: pure, values in, words out. */
#ifndef CSB_QEMU_ARGS_H
#define CSB_QEMU_ARGS_H

#include <jansson.h>

#include "core/strbuf.h"
#include "model/spec.h"

/* The names of files that go to the guest by fw_cfg, each as opt/org.claudesandbox/NAME. */
extern const char *const csb__fw_cfg_names[];

struct csb__qemu_args {
    const char *program;
    const char *name;
    const char *dir;     /* disk.qcow2, qemu.log, pid, fw_cfg/ */
    const char *run_dir; /* sockets */
    const char *kernel;
    const char *initrd;
    const char *kernel_args;
    int cpus;
    uint64_t memory;
    bool kvm;
    int ram_fd;    /* holds its memory; inherited */
    bool incoming; /* it waits for the state of a machine that ran */
    const char *mac;
    const bool *virtiofs; /* for each mount, whether it is shared that way; else by 9p */
};

/* The address of a machine's network device, made of its name. */
void csb__qemu_mac(const char *name, char out[18]);

void csb__qemu_argv(struct csb__strv *argv, const struct csb__qemu_args *a,
                    const struct csb__spec *spec);

/* The arguments of QMP's device_add that plugs the index-th mount in. NULL without memory. */
json_t *csb__qemu_share_device(size_t index, bool virtiofs);
/* Text as one word of ASCII, percent-encoded where need be. */
void csb__qemu_encode(struct csb__strbuf *out, const char *text);
/* The text of such a word. */
void csb__qemu_decode(struct csb__strbuf *out, const char *word);
/* The index-th mount for the guest: "TAG TYPE OPTIONS PATH", the path encoded. */
void csb__qemu_mount_line(struct csb__strbuf *out, const struct csb__mount *m, size_t index,
                          bool virtiofs);

#endif
