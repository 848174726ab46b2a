/* SPDX-License-Identifier: MIT */
#include "engine/qemu/disk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/process.h"

static int run_tool(struct csb__env *env, const char *const *argv, csb_error **err) {
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT result = {0};
    int rc;

    run.argv = argv;
    rc = csb__run(env, &run, &result, err);
    if (rc == 0 && result.status != 0) {
        csb__fail(err, CSB_EENGINE, "%s failed: %.*s", argv[0],
                  (int)strcspn(csb__strbuf_text(&result.errout), "\n"),
                  csb__strbuf_text(&result.errout));
        csb__error_set_child(err, result.status, csb__strbuf_text(&result.errout),
                             result.errout.len);
        return CSB_EENGINE;
    }
    return rc;
}

static int overlay_at(struct csb__env *env, const struct csb__instance *i, const char *disk,
                      const char *below, const char *format, csb_error **err) {
    char size[32];
    const char *const argv[] = {"qemu-img", "create", "-q",  "-f", "qcow2", "-F",
                                format,     "-b",     below, disk, size,    NULL};

    snprintf(size, sizeof(size), "%llu", (unsigned long long)i->disk);
    return run_tool(env, argv, err);
}

int csb__disk_overlay(struct csb__env *env, const struct csb__instance *i, const char *below,
                      const char *format, csb_error **err) {
    CSB__AUTOFREE char *disk = csb__instance_path(i, "disk.qcow2");

    return disk ? overlay_at(env, i, disk, below, format, err) : csb__fail_nomem(err);
}

int csb__disk_renew(struct csb__env *env, const struct csb__instance *i, const char *below,
                    csb_error **err) {
    CSB__AUTOFREE char *disk = csb__instance_path(i, "disk.qcow2");
    CSB__AUTOFREE char *fresh = csb__instance_path(i, "disk.qcow2.new");
    int rc = disk && fresh ? overlay_at(env, i, fresh, below, "qcow2", err) : csb__fail_nomem(err);

    if (rc == 0 && rename(fresh, disk) != 0) {
        rc = csb__fail_errno(err, errno, "can't make %s", disk);
    }
    if (rc != 0 && fresh) {
        (void)unlink(fresh);
    }
    return rc;
}

int csb__disk_grow(struct csb__env *env, const struct csb__instance *i, csb_error **err) {
    CSB__AUTOFREE char *disk = csb__instance_path(i, "disk.qcow2");
    char size[32];
    const char *const argv[] = {"qemu-img", "resize", "-q", "-f", "qcow2", disk, size, NULL};

    snprintf(size, sizeof(size), "%llu", (unsigned long long)i->disk);
    return disk ? run_tool(env, argv, err) : csb__fail_nomem(err);
}

static int copy(struct csb__env *env, const struct csb__instance *from,
                const struct csb__instance *to, const char *name, csb_error **err) {
    CSB__AUTOFREE char *source = csb__instance_path(from, name);
    CSB__AUTOFREE char *target = csb__instance_path(to, name);
    const char *const argv[] = {"cp", "--reflink=auto", "--sparse=auto", "--", source, target,
                                NULL};

    return source && target ? run_tool(env, argv, err) : csb__fail_nomem(err);
}

int csb__disk_copy(struct csb__env *env, const struct csb__instance *from,
                   const struct csb__instance *to, csb_error **err) {
    int rc = copy(env, from, to, "disk.qcow2", err);

    return rc == 0 && to->disk > from->disk ? csb__disk_grow(env, to, err) : rc;
}

int csb__disk_copy_kept(struct csb__env *env, const struct csb__instance *from,
                        const struct csb__instance *to, csb_error **err) {
    int rc = copy(env, from, to, "ram", err);

    return rc == 0 ? copy(env, from, to, "state", err) : rc;
}
