/* SPDX-License-Identifier: MIT */
/* As much of qcow2 as a copy of a disk needs that is made in no time. No effects. */
#ifndef CSB_ENGINE_LIMA_QCOW2_H
#define CSB_ENGINE_LIMA_QCOW2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As long as a name can be (QEMU: docs/interop/qcow2.rst), and a NUL. */
#define CSB__QCOW2_NAME_MAX 1024
/* What of a file must be given to csb__qcow2_parse(). */
#define CSB__QCOW2_HEAD 65536
/* What csb__qcow2_overlay() writes. */
#define CSB__QCOW2_OVERLAY ((size_t)4 * 65536)

struct csb__qcow2 {
    uint64_t size;                     /* what a guest sees, in bytes */
    bool plain;                        /* no encryption, no other file with its data, no damage */
    char backing[CSB__QCOW2_NAME_MAX]; /* "" for none */
};

/* False for what is no qcow2 file, or not understood. */
bool csb__qcow2_parse(const void *bytes, size_t len, struct csb__qcow2 *ret);

/* A disk of that size with nothing written on it, over `backing`, which is another qcow2 file. The
 * same arguments give the same bytes. False for a size or a name that does not fit. */
bool csb__qcow2_overlay(uint64_t size, const char *backing, unsigned char out[CSB__QCOW2_OVERLAY]);

#endif
