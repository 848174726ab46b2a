/* SPDX-License-Identifier: MIT */
/* QEMU's docs/interop/qcow2.rst says what stands where. All numbers have their big end first. */
#include "engine/lima/qcow2.h"

#include <stdio.h>
#include <string.h>

#define MAGIC 0x514649fbU /* "QFI", 0xfb */
#define CLUSTER_BITS 16
#define CLUSTER (UINT64_C(1) << CLUSTER_BITS)
/* One entry of the first table is a table of the second with CLUSTER / 8 clusters. */
#define PER_L1_ENTRY (CLUSTER / 8 * CLUSTER)
#define SIZE_MAX_BYTES (CLUSTER / 8 * PER_L1_ENTRY)
#define V3_HEADER 104
#define BACKING_FORMAT 0xe2792acaU
/* Only which compression is used. */
#define HARMLESS_FEATURES UINT64_C(8)

static uint64_t get(const unsigned char *p, int bytes) {
    uint64_t value = 0;

    for (int i = 0; i < bytes; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

static void put(unsigned char *p, int bytes, uint64_t value) {
    for (int i = bytes - 1; i >= 0; i--, value >>= 8) {
        p[i] = (unsigned char)value;
    }
}

static bool take_backing(const unsigned char *p, size_t len, char out[CSB__QCOW2_NAME_MAX]) {
    uint64_t offset = get(p + 8, 8);
    uint64_t size = get(p + 16, 4);

    out[0] = '\0';
    if (offset == 0) {
        return true;
    }
    if (size >= CSB__QCOW2_NAME_MAX || offset > len || size > len - offset) {
        return false;
    }
    memcpy(out, p + offset, size);
    out[size] = '\0';
    return strlen(out) == size;
}

bool csb__qcow2_parse(const void *bytes, size_t len, struct csb__qcow2 *ret) {
    const unsigned char *p = bytes;
    uint64_t version;

    if (len < V3_HEADER || get(p, 4) != MAGIC) {
        return false;
    }
    version = get(p + 4, 4);
    ret->size = get(p + 24, 8);
    ret->plain = get(p + 32, 4) == 0 &&
                 (version == 2 || (get(p + 72, 8) & ~HARMLESS_FEATURES) == 0);
    return (version == 2 || version == 3) && take_backing(p, len, ret->backing);
}

/* The header, the two tables that count clusters, and the first table of the disk: a cluster each,
 * and all of them counted. */
bool csb__qcow2_overlay(uint64_t size, const char *backing, unsigned char out[CSB__QCOW2_OVERLAY]) {
    static const size_t name_at = V3_HEADER + 16 + 8;
    size_t name_len = strlen(backing);

    if (size == 0 || size % 512 != 0 || size > SIZE_MAX_BYTES || name_len >= CSB__QCOW2_NAME_MAX) {
        return false;
    }
    memset(out, 0, CSB__QCOW2_OVERLAY);
    put(out, 4, MAGIC);
    put(out + 4, 4, 3);
    put(out + 8, 8, name_at);
    put(out + 16, 4, name_len);
    put(out + 20, 4, CLUSTER_BITS);
    put(out + 24, 8, size);
    put(out + 36, 4, (size + PER_L1_ENTRY - 1) / PER_L1_ENTRY);
    put(out + 40, 8, 3 * CLUSTER);
    put(out + 48, 8, CLUSTER);
    put(out + 56, 4, 1);
    put(out + 96, 4, 4); /* 16 bits to count a cluster */
    put(out + 100, 4, V3_HEADER);
    put(out + V3_HEADER, 4, BACKING_FORMAT);
    put(out + V3_HEADER + 4, 4, 5);
    snprintf((char *)out + V3_HEADER + 8, 8, "qcow2");
    snprintf((char *)out + name_at, CSB__QCOW2_NAME_MAX, "%s", backing);
    put(out + CLUSTER, 8, 2 * CLUSTER);
    for (int i = 0; i < 4; i++) {
        put(out + 2 * CLUSTER + (size_t)i * 2, 2, 1);
    }
    return true;
}
