/* SPDX-License-Identifier: MIT */
#include "model/spec.h"

#include <claudesandbox/vm.h>

#include <stdio.h>
#include <string.h>

#include "core/path.h"

#define MIB (UINT64_C(1) << 20)

int csb__spec_check_sizes(int cpus, uint64_t memory, uint64_t disk, csb_error **err) {
    if (cpus < 0 || cpus > 256) {
        return csb__fail(err, CSB_EINVAL, "%d is not a number of processors between 1 and 256",
                         cpus);
    }
    if (memory != 0 && (memory < 512 * MIB || memory > MIB * MIB)) {
        return csb__fail(err, CSB_EINVAL, "the memory must be at least 512MiB and at most 1TiB");
    }
    if (disk != 0 && (disk < 4096 * MIB || disk > 64 * MIB * MIB)) {
        return csb__fail(err, CSB_EINVAL, "the disk must be at least 4GiB and at most 64TiB");
    }
    return 0;
}

static int refuse(csb_error **err, const char *path, const char *why) {
    return csb__fail(err, CSB_EINVAL, "%s can't be shared with a VM: %s", path, why);
}

int csb__place_check(const char *path, const char *variable, csb_error **err) {
    if (!csb__path_is_text(path)) {
        csb__fail(err, CSB_EINVAL,
                  "a directory whose path is not UTF-8 or has control characters can't hold VMs");
    } else if (strstr(path, "${")) {
        csb__fail(err, CSB_EINVAL, "%s can't hold VMs: ssh takes \"${\" for a variable", path);
    } else {
        return 0;
    }
    csb__error_set_hint(err, "set %s to another path", variable);
    return CSB_EINVAL;
}

int csb__mount_check_host(const char *path, const char *home, const char *state_dir, bool force,
                          csb_error **err) {
    bool is_home = home && strcmp(path, home) == 0;

    if (!csb__path_is_text(path)) {
        return csb__fail(err, CSB_EINVAL,
                         "a directory whose path is not UTF-8 or has control characters can't be "
                         "shared with a VM");
    }
    if (strcmp(path, "/") == 0) {
        return refuse(err, path, "it is the whole host");
    }
    if (is_home && !force) {
        refuse(err, path, "it is your home directory, with your keys and passwords");
        csb__error_set_hint(err, "choose a project directory, or if you really mean all of it "
                                 "pass --force-mount (CSB_VM_FORCE_MOUNT)");
        return CSB_EINVAL;
    }
    if (home && !is_home && csb__path_is_within(home, path)) {
        return refuse(err, path, "it contains your home directory");
    }
    if (csb__path_is_within(path, state_dir)) {
        return refuse(err, path, "it belongs to claude-sandbox itself");
    }
    if (!is_home && csb__path_is_within(state_dir, path)) {
        return refuse(err, path, "it contains claude-sandbox's own files");
    }
    return 0;
}

int csb__mount_check_guest(const char *path, csb_error **err) {
    /* Lima refuses these (pkg/limayaml/validate.go); a guest would not survive them anyway. */
    static const char *const exact[] = {"/",    "/bin",   "/boot", "/dev", "/etc",  "/home",
                                        "/lib", "/lib64", "/mnt",  "/opt", "/root", "/sbin",
                                        "/srv", "/tmp",   "/usr",  "/var", NULL};
    static const char *const below[] = {"/dev",      "/proc", "/run",   "/sys",     "/boot",
                                        "/etc",      "/lib",  "/lib64", "/usr/bin", "/usr/lib",
                                        "/usr/sbin", "/bin",  "/sbin",  NULL};
    CSB__AUTOFREE char *normal = *path == '/' ? csb__path_absolute(path) : NULL;
    bool bad = !normal || strcmp(normal, path) != 0 || !csb__path_is_text(path);

    if (*path == '/' && !normal) {
        return csb__fail_nomem(err);
    }

    for (int i = 0; !bad && exact[i]; i++) {
        bad = strcmp(path, exact[i]) == 0;
    }
    for (int i = 0; !bad && below[i]; i++) {
        bad = csb__path_is_within(path, below[i]);
    }
    if (bad) {
        return csb__fail(err, CSB_EINVAL, "nothing can be mounted at %s in a VM", path);
    }
    return 0;
}

int csb__spec_add_mount(struct csb__spec *spec, const char *host_path, const char *guest_path,
                        bool writable, csb_error **err) {
    struct csb__mount *mounts;
    struct csb__mount *m;

    if (spec->n_mounts >= CSB__MOUNTS_MAX) {
        return csb__fail(err, CSB_EINVAL, "more than %d mounts", CSB__MOUNTS_MAX);
    }
    for (size_t i = 0; i < spec->n_mounts; i++) {
        const struct csb__mount *other = &spec->mounts[i];

        if (strcmp(other->guest_path, guest_path) == 0) {
            return csb__fail(err, CSB_EINVAL, "two mounts at %s", guest_path);
        }
        /* A guest could put a link in the place of the inner one, which the host then follows. */
        if (csb__path_is_within(host_path, other->host_path) ||
            csb__path_is_within(other->host_path, host_path)) {
            return csb__fail(err, CSB_EINVAL,
                             "%s and %s can't both be shared: one contains the other",
                             other->host_path, host_path);
        }
    }
    mounts = realloc(spec->mounts, (spec->n_mounts + 1) * sizeof(*mounts));
    if (!mounts) {
        return csb__fail_nomem(err);
    }
    spec->mounts = mounts;
    m = &mounts[spec->n_mounts++];
    m->host_path = strdup(host_path);
    m->guest_path = strdup(guest_path);
    m->writable = writable;
    return m->host_path && m->guest_path ? 0 : csb__fail_nomem(err);
}

int csb__spec_set_ports(struct csb__spec *spec, const struct csb__port *ports, size_t n,
                        csb_error **err) {
    struct csb__port *copy;
    int rc = csb__ports_check(ports, n, err);

    if (rc != 0) {
        return rc;
    }
    copy = calloc(n + 1, sizeof(*copy));
    if (!copy) {
        return csb__fail_nomem(err);
    }
    for (size_t i = 0; i < n; i++) {
        copy[i] = ports[i];
    }
    free(spec->ports);
    spec->ports = copy;
    spec->n_ports = n;
    return 0;
}

static int copy_text(char **dst, const char *src, csb_error **err) {
    *dst = src ? strdup(src) : NULL;
    return *dst || !src ? 0 : csb__fail_nomem(err);
}

int csb__spec_copy(const struct csb__spec *from, struct csb__spec *ret, csb_error **err) {
    CSB__AUTOSPEC copy = {.cpus = from->cpus, .memory = from->memory, .disk = from->disk};
    int rc = copy_text(&copy.name, from->name, err);

    if (rc == 0) {
        rc = copy_text(&copy.project_dir, from->project_dir, err);
    }
    if (rc == 0) {
        rc = copy_text(&copy.settings_dir, from->settings_dir, err);
    }
    for (size_t i = 0; rc == 0 && i < from->n_mounts; i++) {
        const struct csb__mount *m = &from->mounts[i];

        rc = csb__spec_add_mount(&copy, m->host_path, m->guest_path, m->writable, err);
    }
    if (rc == 0) {
        rc = csb__spec_set_ports(&copy, from->ports, from->n_ports, err);
    }
    if (rc == 0) {
        *ret = copy;
        copy = (struct csb__spec){0};
    }
    return rc;
}

struct csb__mount *csb__spec_settings(const struct csb__spec *spec) {
    for (size_t i = 0; i < spec->n_mounts; i++) {
        if (strcmp(spec->mounts[i].guest_path, CSB__SETTINGS_GUEST_PATH) == 0) {
            return &spec->mounts[i];
        }
    }
    return NULL;
}

bool csb__changes_any(const struct csb__changes *c) {
    return c->cpus || c->memory || c->disk || c->settings_dir || c->settings_mode;
}

void csb__changes_finish(struct csb__changes *c) {
    free(c->settings_dir);
    *c = (struct csb__changes){0};
}

static void remove_mount(struct csb__spec *spec, struct csb__mount *m) {
    size_t index = (size_t)(m - spec->mounts);

    free(m->host_path);
    free(m->guest_path);
    memmove(m, m + 1, (spec->n_mounts - index - 1) * sizeof(*m));
    spec->n_mounts--;
}

/* Out and in again, for what may be shared beside what is one rule, and stands in one place. */
static int change_settings(struct csb__spec *spec, const struct csb__changes *c, csb_error **err) {
    struct csb__mount *m = csb__spec_settings(spec);
    bool writable = c->settings_mode ? c->settings_mode == CSB_SETTINGS_RW : !m || m->writable;
    char *dir = NULL;
    int rc = copy_text(&dir, c->settings_dir ? c->settings_dir : spec->settings_dir, err);

    if (rc == 0 && !dir) {
        return csb__fail(err, CSB_EINVAL, "%s has no settings directory", spec->name);
    }
    if (rc != 0) {
        return rc;
    }
    if (m) {
        remove_mount(spec, m);
    }
    free(spec->settings_dir);
    spec->settings_dir = dir;
    return csb__spec_add_mount(spec, dir, CSB__SETTINGS_GUEST_PATH, writable, err);
}

int csb__spec_change(struct csb__spec *spec, const struct csb__changes *c, csb_error **err) {
    spec->cpus = c->cpus ? c->cpus : spec->cpus;
    spec->memory = c->memory ? c->memory : spec->memory;
    spec->disk = c->disk ? c->disk : spec->disk;
    return c->settings_dir || c->settings_mode ? change_settings(spec, c, err) : 0;
}

void csb__spec_finish(struct csb__spec *spec) {
    for (size_t i = 0; i < spec->n_mounts; i++) {
        free(spec->mounts[i].host_path);
        free(spec->mounts[i].guest_path);
    }
    free(spec->mounts);
    free(spec->ports);
    free(spec->name);
    free(spec->project_dir);
    free(spec->settings_dir);
    *spec = (struct csb__spec){0};
}
