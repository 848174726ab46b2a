/* SPDX-License-Identifier: MIT */
/* What a machine is to be: checked, absolute and owned. */
#ifndef CSB_MODEL_SPEC_H
#define CSB_MODEL_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "model/port.h"

#define CSB__MOUNTS_MAX 16

struct csb__mount {
    char *host_path;  /* absolute, real */
    char *guest_path; /* absolute, normal */
    bool writable;
};

struct csb__spec {
    char *name;
    char *project_dir;  /* real path; NULL: none. Also the first of the mounts then. */
    char *settings_dir; /* real path; NULL: none. Also one of the mounts then. */
    int cpus;           /* 0: the engine's choice, as for the next two */
    uint64_t memory;
    uint64_t disk;
    struct csb__mount *mounts;
    size_t n_mounts;
    struct csb__port *ports;
    size_t n_ports;
};

/* Where the settings directory appears in a guest. */
#define CSB__SETTINGS_GUEST_PATH "/mnt/claude-settings"

/* 0 means "not given"; anything else must be a size that a guest can boot with. */
int csb__spec_check_sizes(int cpus, uint64_t memory, uint64_t disk, csb_error **err);

/* Whether machines can be kept in a directory: its path gets into records, and into ssh's
 * configuration. `variable` is what sets it. */
int csb__place_check(const char *path, const char *variable, csb_error **err);
/*
 * Whether a directory may be shared at all. Refused: the root, directories that hold other
 * people's or our own secrets (the home directory unless `force`, whatever contains it, our state
 * directory, what lies in it or contains it), and paths no engine can carry.
 * All paths absolute and real.
 */
int csb__mount_check_host(const char *path, const char *home, const char *state_dir, bool force,
                          csb_error **err);
/* Whether something may be mounted there in a guest: absolute, normal, no system directory. */
int csb__mount_check_guest(const char *path, csb_error **err);

/* Appends; ENOMEM, EINVAL for the same place in the guest twice, for a directory of the host within
 * another that is shared, or for too many. Copies. */
int csb__spec_add_mount(struct csb__spec *spec, const char *host_path, const char *guest_path,
                        bool writable, csb_error **err);

/* Replaces the ports by checked copies. */
int csb__spec_set_ports(struct csb__spec *spec, const struct csb__port *ports, size_t n,
                        csb_error **err);

/* Frees what the spec owns, not the spec. */
void csb__spec_finish(struct csb__spec *spec);
#define CSB__AUTOSPEC CSB__CLEANUP(csb__spec_finish) struct csb__spec
int csb__spec_copy(const struct csb__spec *from, struct csb__spec *ret, csb_error **err);
/* The mount of the settings directory; NULL where there is none. Borrowed. */
struct csb__mount *csb__spec_settings(const struct csb__spec *spec);

/* What is to become different about a machine; 0 and NULL: stays as it is. */
struct csb__changes {
    int cpus;
    uint64_t memory;
    uint64_t disk;
    char *settings_dir; /* real path */
    int settings_mode;  /* CSB_SETTINGS_... */
};

bool csb__changes_any(const struct csb__changes *c);
void csb__changes_finish(struct csb__changes *c);
/* Makes the spec different. EINVAL when what comes out can't be; it is half changed then. */
int csb__spec_change(struct csb__spec *spec, const struct csb__changes *c, csb_error **err);

#endif
