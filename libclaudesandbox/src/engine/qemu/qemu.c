/* SPDX-License-Identifier: MIT */
/* The built-in engine: QEMU and nothing else, unprivileged. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <claudesandbox/vm.h>

#include "core/lock.h"
#include "core/path.h"
#include "core/posix.h"
#include "core/process.h"
#include "engine/engine.h"
#include "engine/qemu/image.h"
#include "engine/qemu/instance.h"
#include "engine/qemu/keys.h"
#include "engine/qemu/kvm_probe.h"
#include "engine/qemu/machine.h"
#include "engine/qemu/process.h"
#include "model/vm_name.h"

#define GIB (UINT64_C(1) << 30)
#define DEFAULT_DISK (40 * GIB)

static int probe(struct csb__env *env, char **what, csb_error **err) {
    const char *const needed[][2] = {{csb__qemu_program, "qemu-system-x86"},
                                     {"qemu-img", "qemu-utils"},
                                     {"ssh", "openssh-client"},
                                     {"ssh-keygen", "openssh-client"}};
    const char *why;
    bool kvm;

    for (int i = 0; i < 4; i++) {
        CSB__AUTOFREE char *path = csb__find_program(needed[i][0]);

        if (!path) {
            csb__fail(err, CSB_ENOENGINE, "%s is not installed", needed[i][0]);
            csb__error_set_hint(err, "sudo apt-get install %s", needed[i][1]);
            return CSB_ENOENGINE;
        }
    }
    kvm = csb__kvm_usable(env, &why);
    if (asprintf(what, "%s%s", why, kvm ? "" : ", so guests are emulated, which is slow") < 0) {
        *what = NULL;
        return csb__fail_nomem(err);
    }
    return 0;
}

static char *home(struct csb__env *env) {
    (void)env;
    return strdup("");
}

static size_t name_max(struct csb__env *env) {
    return csb__instance_paths_fit(env) ? CSB__NAME_MAX : 0;
}

/* What fits the machine: Claude is at home in 4 GiB; a host with little keeps most of it. */
static uint64_t default_memory(void) {
    long pages = sysconf(_SC_PHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);
    uint64_t quarter = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page / 4 : 0;

    return quarter > 4 * GIB ? 4 * GIB : quarter > 2 * GIB ? quarter >> 20 << 20 : 2 * GIB;
}

static int default_cpus(void) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : n > 4 ? 4 : (int)n;
}

/* Of what a Lima template may say we understand the sizes; the rest is refused, not ignored. */
static int check_template(const struct csb__source *source, csb_error **err) {
    static const char *const known[] = {"cpus", "memory", "disk", NULL};

    for (size_t k = 0; source->template && k < source->template->n_keys; k++) {
        const struct csb__template_key *key = &source->template->keys[k];
        bool ok = false;

        for (int i = 0; known[i]; i++) {
            ok = ok || strcmp(known[i], key->name) == 0;
        }
        if (!ok) {
            csb__fail(err, CSB_ENOTSUP, "%s:%d: the qemu engine can't do \"%s\"",
                      source->template_path, key->line, key->name);
            csb__error_set_hint(err, "leave the template away for the built-in image, or use it "
                                     "with --engine lima");
            return CSB_ENOTSUP;
        }
    }
    return 0;
}

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

/* A directory nobody has yet, with keys and an id of its own. */
static int make_dir(struct csb__env *env, const struct csb__instance *i, csb_error **err) {
    CSB__AUTOFREE char *id_path = csb__instance_path(i, "machine-id");
    char id[33];
    int rc;

    if (!id_path) {
        return csb__fail_nomem(err);
    }
    if (access(i->dir, F_OK) == 0) {
        return csb__fail(err, CSB_EEXISTS, "%s exists already", i->dir);
    }
    rc = csb__mkdirs(i->dir, err);
    if (rc == 0 && csb__random_hex(id, 32) != 0) {
        rc = csb__fail(err, CSB_ESYSTEM, "no random numbers");
    }
    if (rc == 0) {
        rc = csb__write_file(id_path, id, 32, 0600, err);
    }
    return rc == 0 ? csb__keys_make(env, i, err) : rc;
}

static int make_overlay(struct csb__env *env, const struct csb__instance *i, const char *root,
                        csb_error **err) {
    CSB__AUTOFREE char *disk = csb__instance_path(i, "disk.qcow2");
    char size[32];
    const char *const argv[] = {"qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw",
                                "-b", root, disk, size, NULL};

    snprintf(size, sizeof(size), "%llu", (unsigned long long)i->disk);
    return disk ? run_tool(env, argv, err) : csb__fail_nomem(err);
}

static int engine_remove(struct csb__env *env, const char *name, const char *home_dir,
                         csb_error **err);

/* Takes back what a failed create or clone has made; the error is already told. */
static int undo(struct csb__env *env, const char *name, int rc) {
    if (rc != 0 && rc != CSB_EEXISTS) {
        int64_t saved = csb__env_shield(env, 30000);

        (void)engine_remove(env, name, "", NULL);
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
        return csb__fail(err, CSB_EINVAL, "the disk must be at least %lluGiB, the guest image's size",
                         (unsigned long long)(image->size / GIB));
    }
    i->image = strdup(image->dir);
    return i->image ? 0 : csb__fail_nomem(err);
}

static int create(struct csb__env *env, const struct csb__spec *spec,
                  const struct csb__source *source, csb_error **err) {
    CSB__AUTOINSTANCE i = {0};
    CSB__AUTOIMAGE image = {0};
    int rc = check_template(source, err);

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
    rc = make_dir(env, &i, err);
    if (rc == 0) {
        rc = make_overlay(env, &i, image.root, err);
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
        csb__fail(err, CSB_ESTATE, "%s is running; only a stopped VM can be cloned", name);
        csb__error_set_hint(err, "claude-sandbox stop %s", name);
        return CSB_ESTATE;
    }
    return rc;
}

static int copy_disk(struct csb__env *env, const struct csb__instance *from,
                     const struct csb__instance *to, csb_error **err) {
    CSB__AUTOFREE char *source = csb__instance_path(from, "disk.qcow2");
    CSB__AUTOFREE char *target = csb__instance_path(to, "disk.qcow2");
    char size[32];
    const char *const copy[] = {"cp", "--reflink=auto", "--sparse=auto", "--", source, target,
                                NULL};
    const char *const grow[] = {"qemu-img", "resize", "-q", "-f", "qcow2", target, size, NULL};
    int rc = source && target ? run_tool(env, copy, err) : csb__fail_nomem(err);

    if (rc == 0 && to->disk > from->disk) {
        snprintf(size, sizeof(size), "%llu", (unsigned long long)to->disk);
        rc = run_tool(env, grow, err);
    }
    return rc;
}

static int clone_vm(struct csb__env *env, const struct csb__spec *spec,
                    const struct csb__source *source, csb_error **err) {
    CSB__AUTOINSTANCE base = {0};
    CSB__AUTOINSTANCE i = {0};
    CSB__AUTOCLOSE int lock = -1;
    int rc = open_base(env, source->base, &base, &lock, err);

    if (rc == 0) {
        rc = csb__instance_init(env, spec->name, &i, err);
    }
    if (rc != 0) {
        return rc;
    }
    i.cpus = spec->cpus ? spec->cpus : base.cpus;
    i.memory = spec->memory ? spec->memory : base.memory;
    i.disk = spec->disk ? spec->disk : base.disk;
    i.image = strdup(base.image);
    if (!i.image) {
        return csb__fail_nomem(err);
    }
    if (i.disk < base.disk) {
        return csb__fail(err, CSB_EINVAL, "a disk can't be made smaller than its base's, %lluGiB",
                         (unsigned long long)(base.disk / GIB));
    }
    rc = make_dir(env, &i, err);
    if (rc == 0) {
        rc = copy_disk(env, &base, &i, err);
    }
    if (rc == 0) {
        rc = csb__instance_save_config(&i, err);
    }
    return undo(env, spec->name, rc);
}

static int start(struct csb__env *env, const struct csb__spec *spec, const char *home_dir,
                 csb_error **err) {
    CSB__AUTOINSTANCE i = {0};
    int rc = csb__instance_load(env, spec->name, &i, err);

    (void)home_dir;
    if (rc != 0) {
        return rc;
    }
    csb__qemu_adopt(env, &i);
    if (csb__qemu_alive(&i) && i.ready) {
        return csb__machine_resume(env, &i, err);
    }
    /* Whoever was starting it has died meanwhile, for we have its lock. */
    rc = csb__qemu_kill(env, &i, err);
    return rc == 0 ? csb__machine_start(env, &i, spec, err) : rc;
}

static int stop(struct csb__env *env, const char *name, const char *home_dir, unsigned flags,
                csb_error **err) {
    CSB__AUTOINSTANCE i = {0};
    int rc = csb__instance_load(env, name, &i, err);

    (void)home_dir;
    if (rc != 0) {
        return rc;
    }
    csb__qemu_adopt(env, &i);
    return csb__machine_stop(env, &i, flags & CSB__STOP_FORCE, err);
}

/* Also of one whose files are half there. */
static int engine_remove(struct csb__env *env, const char *name, const char *home_dir,
                         csb_error **err) {
    CSB__AUTOINSTANCE i = {0};
    int rc = csb__instance_load(env, name, &i, NULL);

    (void)home_dir;
    if (!i.run_dir) {
        return csb__fail_nomem(err);
    }
    if (rc == 0) {
        csb__qemu_adopt(env, &i);
        rc = csb__qemu_kill(env, &i, err);
        if (rc != 0) {
            return rc;
        }
    }
    rc = csb__remove_tree(i.run_dir, err);
    return rc == 0 ? csb__remove_tree(i.dir, err) : rc;
}

static int inspect(struct csb__env *env, const char *name, const char *home_dir,
                   struct csb__machine *ret, csb_error **err) {
    CSB__AUTOINSTANCE i = {0};
    int rc = csb__instance_load(env, name, &i, err);

    (void)home_dir;
    if (rc != 0) {
        return rc;
    }
    ret->state = !csb__qemu_alive(&i) ? CSB_VM_STOPPED
                 : i.ready            ? CSB_VM_RUNNING
                                      : CSB_VM_STARTING;
    ret->cpus = i.cpus;
    ret->memory = i.memory;
    ret->disk = i.disk;
    return i.ssh_port ? csb__keys_door(&i, &ret->door, err) : 0;
}

static int inspect_all(struct csb__env *env, const char *const *names, size_t n,
                       const char *home_dir, struct csb__machine *rets, int *codes,
                       csb_error **err) {
    (void)err;
    for (size_t i = 0; i < n; i++) {
        codes[i] = inspect(env, names[i], home_dir, &rets[i], NULL);
    }
    return 0;
}

static void console(struct csb__env *env, const char *name, const char *home_dir,
                    struct csb__strbuf *out) {
    CSB__AUTOINSTANCE i = {0};

    (void)home_dir;
    if (csb__instance_load(env, name, &i, NULL) == 0) {
        csb__machine_console(env, &i, out);
    }
}

const struct csb__engine csb__engine_qemu = {
    .name = "qemu",
    .probe = probe,
    .home = home,
    .name_max = name_max,
    .create = create,
    .clone = clone_vm,
    .start = start,
    .stop = stop,
    .remove = engine_remove,
    .inspect = inspect,
    .inspect_all = inspect_all,
    .console = console,
};
