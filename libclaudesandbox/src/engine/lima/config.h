/* SPDX-License-Identifier: MIT */
/* A machine's lima.yaml, read and rewritten without limactl: from bytes to bytes. No effects. */
#ifndef CSB_ENGINE_LIMA_CONFIG_H
#define CSB_ENGINE_LIMA_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/strbuf.h"
#include "engine/engine.h"

#define CSB__LIMA_CONFIG_MAX ((size_t)1 << 20)

struct csb__lima_config {
    char vm_type[16]; /* "" when it is Lima's default */
    int cpus;         /* 0: Lima's default, as for the next two */
    uint64_t memory;
    uint64_t disk;
    bool has_disks;             /* besides its own */
    struct csb__strv locations; /* what it shares of the host */
};

/* EPROTOCOL for anything that Lima might take in another way than we do; it is asked then. */
int csb__lima_config_read(const char *text, size_t len, struct csb__lima_config *ret,
                          csb_error **err);
void csb__lima_config_finish(struct csb__lima_config *c);
#define CSB__AUTOLIMACONFIG CSB__CLEANUP(csb__lima_config_finish) struct csb__lima_config

/* The lima.yaml of a copy, on QEMU, that is what the spec says: as csb__lima_expression() makes it. To
 * be freed. EPROTOCOL likewise. */
int csb__lima_config_edit(const char *text, size_t len, const struct csb__spec *spec, char **ret,
                          csb_error **err);

#endif
