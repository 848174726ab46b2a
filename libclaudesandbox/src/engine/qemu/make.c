/* SPDX-License-Identifier: MIT */
/* Making machines, changing and unmaking them: their files, no process. */
#include "engine/qemu/make.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/lock.h"
#include "core/path.h"
#include "core/posix.h"
#include "core/process.h"
#include "engine/qemu/disk.h"
#include "engine/qemu/identity.h"
#include "engine/qemu/image.h"
#include "engine/qemu/instance.h"
#include "engine/qemu/keys.h"
#include "engine/qemu/process.h"
#include "engine/qemu/virtiofs.h"
#include "engine/qemu/warm.h"
#include "engine/qemu/warm_key.h"

#define GIB (UINT64_C(1) << 30)
#define DEFAULT_DISK (40 * GIB)

/* What fits the machine: Claude is at home in 4 GiB; a host with little keeps most of it. */
static uint64_t default_memory(void) {
    uint64_t quarter = csb__host_memory() / 4;

    return quarter > 4 * GIB ? 4 * GIB : quarter > 2 * GIB ? quarter >> 20 << 20 : 2 * GIB;
}

static int default_cpus(void) {
    int n = csb__host_cpus();

    return n > 4 ? 4 : n;
}

/* What a template says beyond the documented keys is refused, not ignored. */
static int check_template(struct csb__env *env, const struct csb__source *source, csb_error **err) {
    const struct csb__template *t = source->template;

    if (t && t->beyond) {
        csb__fail(err, CSB_ENOTSUP, "%s:%d: the qemu engine can't do %s", source->template_path,
                  t->beyond_line, t->beyond);
        csb__error_set_hint(err, "leave the template away for the built-in image, or use it "
                                 "with --engine lima; man claude-sandbox-tools-vm says what both "
                                 "can do");
        return CSB_ENOTSUP;
    }
    if (t && t->names_image) {
        csb__progress(env, 0, 0, "using the qemu engine's own image, not the template's");
    }
    return 0;
}

/* A directory nobody has yet, with an identity of its own. */
static int make_dir(struct csb__env *env, const struct csb__instance *i, csb_error **err) {
    int rc;

    if (access(i->dir, F_OK) == 0) {
        return csb__fail(err, CSB_EEXISTS, "%s exists already", i->dir);
    }
    rc = csb__mkdirs(i->dir, err);
    return rc == 0 ? csb__identity_make(env, i, err) : rc;
}

/* Also of one whose files are half there. */
int csb__qemu_remove(struct csb__env *env, const char *name, const char *home_dir,
                     csb_error **err) {
    CSB__AUTOINSTANCE i = {0};
    int rc = csb__instance_load_process(env, name, &i, err);

    (void)home_dir;
    if (rc == 0) {
        csb__qemu_adopt(env, &i);
        rc = csb__qemu_kill(env, &i, err);
    }
    if (rc != 0) {
        return rc;
    }
    csb__virtiofs_settle(env, &i);
    rc = csb__remove_tree(i.run_dir, err);
    return rc == 0 ? csb__remove_tree(i.dir, err) : rc;
}

/* Takes back what a failed create or clone has made; the error is already told. */
static int undo(struct csb__env *env, const char *name, int rc) {
    if (rc != 0 && rc != CSB_EEXISTS) {
        int64_t saved = csb__env_shield(env, 30000);

        (void)csb__qemu_remove(env, name, "", NULL);
        csb__env_unshield(env, saved);
    }
    return rc;
}

static int settle_sizes(struct csb__instance *i, const struct csb__spec *spec,
                        const struct csb__template *t, const struct csb__image *image,
                        csb_error **err) {
    i->cpus = spec->cpus ? spec->cpus : t && t->cpus ? t->cpus : default_cpus();
    i->memory = spec->memory ? spec->memory : t && t->memory ? t->memory : default_memory();
    i->disk = spec->disk ? spec->disk : t && t->disk ? t->disk : DEFAULT_DISK;
    if (i->disk < image->size) {
        return csb__fail(err, CSB_EINVAL,
                         "the disk must be at least %lluGiB, the guest image's size",
                         (unsigned long long)(image->size / GIB));
    }
    i->image = strdup(image->dir);
    return i->image ? 0 : csb__fail_nomem(err);
}

/* A template to be woken from, where that is wanted and can be had: `i` is fresh then. Without one a
 * machine boots. */
static int choose_warm(struct csb__env *env, struct csb__instance *i,
                       const struct csb__image *image, const struct csb__instance *base,
                       const struct csb__source *source, struct csb__warm *warm, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    int rc;

    if (!source->warm_up || env->always_boot || (!base && i->disk < CSB__WARM_DISK)) {
        return 0;
    }
    rc = csb__warm_ensure(env, i, image, base, source, warm, &e);
    if (rc == CSB_ECANCELED || rc == CSB_ETIMEOUT || rc == CSB_ENOMEM) {
        return csb__error_propagate(err, CSB__STEAL(e));
    }
    if (rc != 0) {
        csb__log(env, CSB_LOG_INFO, "the VM will boot: %s", csb_error_message(e));
    }
    return 0;
}

int csb__qemu_create(struct csb__env *env, const struct csb__spec *spec,
                     const struct csb__source *source, csb_error **err) {
    CSB__AUTOINSTANCE i = {0};
    CSB__AUTOIMAGE image = {0};
    CSB__AUTOWARM warm = {0};
    int rc = check_template(env, source, err);

    if (rc == 0) {
        rc = csb__instance_init(env, spec->name, &i, err);
    }
    if (rc == 0) {
        rc = csb__image_ensure(env, &image, err);
    }
    if (rc == 0) {
        rc = settle_sizes(&i, spec, source->template, &image, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = choose_warm(env, &i, &image, NULL, source, &warm, err);
    if (rc != 0) {
        return rc;
    }
    rc = make_dir(env, &i, err);
    if (rc == 0) {
        rc = i.fresh ? csb__disk_overlay(env, &i, warm.disk, "qcow2", err)
                     : csb__disk_overlay(env, &i, image.root, "raw", err);
    }
    if (rc == 0) {
        rc = csb__instance_save_config(&i, err);
    }
    return undo(env, spec->name, rc);
}

/* The base with its lock, so that nobody starts it while its disk is copied. */
static int open_base(struct csb__env *env, const char *name, struct csb__instance *base, int *lock,
                     csb_error **err) {
    int rc = csb__lock(env, name, "using the base VM", lock, err);

    if (rc == 0) {
        rc = csb__instance_load(env, name, base, err);
    }
    if (rc == CSB_ENOTFOUND) {
        csb__error_prepend(err, "no VM named %s to clone", name);
        csb__error_set_hint(err, "claude-sandbox status");
        return rc;
    }
    if (rc == 0 && csb__qemu_alive(base)) {
        csb__fail(err, CSB_ESTATE, "%s is running; only a stopped or suspended VM can be cloned",
                  name);
        csb__error_set_hint(err, "claude-sandbox stop %s", name);
        return CSB_ESTATE;
    }
    return rc;
}

/* The guest takes the room into use when it boots. */
/* What the copy will be; whatever the spec leaves open is the base's. */
static int plan_copy(struct csb__env *env, const struct csb__spec *spec,
                     const struct csb__instance *base, struct csb__instance *i, csb_error **err) {
    int rc = csb__instance_init(env, spec->name, i, err);

    if (rc != 0) {
        return rc;
    }
    i->cpus = spec->cpus ? spec->cpus : base->cpus;
    i->memory = spec->memory ? spec->memory : base->memory;
    i->disk = spec->disk ? spec->disk : base->disk;
    i->image = strdup(base->image);
    i->warm = strdup(base->warm);
    i->warm_of = strdup(base->warm_of);
    i->warm_disk = base->warm_disk;
    i->fresh = base->fresh;
    i->kept = base->kept;
    if (!i->image || !i->warm || !i->warm_of) {
        return csb__fail_nomem(err);
    }
    if (i->disk < base->disk) {
        return csb__fail(err, CSB_EINVAL, "a disk can't be made smaller than its base's, %lluGiB",
                         (unsigned long long)(base->disk / GIB));
    }
    if (i->kept && (i->cpus != base->cpus || i->memory != base->memory || i->disk != base->disk)) {
        return csb__fail(err, CSB_EINVAL, "a copy of a VM that is suspended has its sizes");
    }
    return 0;
}

static int copy_files(struct csb__env *env, const struct csb__instance *base,
                      const struct csb__instance *i, csb_error **err) {
    int rc = csb__disk_copy(env, base, i, err);

    return rc == 0 && i->kept ? csb__disk_copy_kept(env, base, i, err) : rc;
}

/* A base that others are made of again and again has a warm template, too. */
static int choose_warm_of(struct csb__env *env, struct csb__instance *i,
                          const struct csb__instance *base, const struct csb__source *source,
                          struct csb__warm *warm, csb_error **err) {
    CSB__AUTOIMAGE image = {0};
    int rc = source->warm_up && !base->kept ? csb__image_load(base->image, &image, err) : 0;

    return rc == 0 && image.dir ? choose_warm(env, i, &image, base, source, warm, err) : rc;
}

int csb__qemu_clone(struct csb__env *env, const struct csb__spec *spec,
                    const struct csb__source *source, csb_error **err) {
    CSB__AUTOINSTANCE base = {0};
    CSB__AUTOINSTANCE i = {0};
    CSB__AUTOWARM warm = {0};
    CSB__AUTOCLOSE int lock = -1;
    int rc = open_base(env, source->base, &base, &lock, err);

    if (rc == 0) {
        rc = plan_copy(env, spec, &base, &i, err);
    }
    if (rc == 0) {
        rc = choose_warm_of(env, &i, &base, source, &warm, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = make_dir(env, &i, err);
    if (rc == 0) {
        rc = warm.disk && i.fresh ? csb__disk_overlay(env, &i, warm.disk, "qcow2", err)
                                  : copy_files(env, &base, &i, err);
    }
    if (rc == 0) {
        rc = csb__instance_save_config(&i, err);
    }
    return undo(env, spec->name, rc);
}

/* Mounts are the spec's at every start; sizes are written down. */
int csb__qemu_configure(struct csb__env *env, const struct csb__spec *spec, const char *home_dir,
                        csb_error **err) {
    CSB__AUTOINSTANCE i = {0};
    int rc = csb__instance_load(env, spec->name, &i, err);
    uint64_t disk = i.disk;

    (void)home_dir;
    if (rc == 0 && i.kept) {
        csb__fail(err, CSB_ESTATE, "%s is suspended, and stays as large as it is", spec->name);
        csb__error_set_hint(err, "claude-sandbox stop %s", spec->name);
        return CSB_ESTATE;
    }
    if (rc != 0) {
        return rc;
    }
    i.cpus = spec->cpus ? spec->cpus : i.cpus;
    i.memory = spec->memory ? spec->memory : i.memory;
    i.disk = spec->disk ? spec->disk : i.disk;
    if (i.disk < disk) {
        return csb__fail(err, CSB_EINVAL, "a disk can't be made smaller than it is, %lluGiB",
                         (unsigned long long)(disk / GIB));
    }
    if (i.disk > disk) {
        rc = csb__disk_grow(env, &i, err);
    }
    return rc == 0 ? csb__instance_save_config(&i, err) : rc;
}
