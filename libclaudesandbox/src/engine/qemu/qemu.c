/* SPDX-License-Identifier: MIT */
/* The built-in engine: QEMU and nothing else, unprivileged. */
#include <stdio.h>
#include <string.h>

#include <claudesandbox/vm.h>

#include "core/parallel.h"
#include "core/path.h"
#include "core/process.h"
#include "engine/engine.h"
#include "engine/qemu/clean.h"
#include "engine/qemu/instance.h"
#include "engine/qemu/keys.h"
#include "engine/qemu/kvm_probe.h"
#include "engine/qemu/launch.h"
#include "engine/qemu/machine.h"
#include "engine/qemu/make.h"
#include "engine/qemu/process.h"
#include "engine/qemu/suspend.h"
#include "engine/qemu/wake.h"
#include "model/vm_name.h"

static int probe(struct csb__env *env, char **what, csb_error **err) {
    const char *const needed[][2] = {{csb__qemu_program, "qemu-system-x86"},
                                     {"qemu-img", "qemu-utils"},
                                     {"ssh", "openssh-client"},
                                     {"ssh-keygen", "openssh-client"}};
    const char *why;
    bool kvm;

#ifndef __x86_64__
    csb__fail(err, CSB_ENOENGINE, "the built-in engine runs on x86_64 only");
    csb__error_set_hint(err, "install Lima");
    return CSB_ENOENGINE;
#endif
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

static int home(struct csb__env *env, char **ret, csb_error **err) {
    (void)env;
    *ret = strdup("");
    return *ret ? 0 : csb__fail_nomem(err);
}

static size_t name_max(struct csb__env *env) {
    return csb__instance_paths_fit(env) ? CSB__NAME_MAX : 0;
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

/* The memory of one that was suspended. */
static int forget_kept(struct csb__instance *i, csb_error **err) {
    csb__machine_forget(i->dir); /* also what one left who died over keeping it */
    if (!i->kept) {
        return 0;
    }
    i->kept = false;
    return csb__instance_save_config(i, err);
}

static int stop(struct csb__env *env, const char *name, const char *home_dir, unsigned flags,
                csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL; /* what is damaged can be stopped all the same */
    CSB__AUTOINSTANCE i = {0};
    int rc = csb__instance_load_process(env, name, &i, err);

    (void)home_dir;
    if (rc == 0 && csb__instance_load_config(&i, &e) != 0 && (flags & CSB__STOP_SUSPEND)) {
        return csb__error_propagate(err, CSB__STEAL(e));
    }
    if (rc != 0) {
        return rc;
    }
    csb__qemu_adopt(env, &i);
    if (flags & CSB__STOP_SUSPEND) {
        return csb__qemu_alive(&i) ? csb__machine_suspend(env, &i, err) : 0;
    }
    rc = csb__machine_stop(env, &i, flags & CSB__STOP_FORCE, err);
    return rc == 0 && !(flags & CSB__STOP_UNDO) ? forget_kept(&i, err) : rc;
}

static int state_of(const struct csb__instance *i) {
    if (csb__qemu_alive(i)) {
        return i->ready ? CSB_VM_RUNNING : CSB_VM_STARTING;
    }
    return i->kept ? CSB_VM_SUSPENDED : CSB_VM_STOPPED;
}

static int inspect(struct csb__env *env, const char *name, const char *home_dir,
                   struct csb__machine *ret, csb_error **err) {
    CSB__AUTOINSTANCE i = {0};
    int rc = csb__instance_load(env, name, &i, err);

    (void)home_dir;
    if (rc != 0) {
        return rc;
    }
    /* Without a usable run.json: what its pid file says; whoever has the lock will write it down. */
    csb__qemu_find(&i);
    ret->state = state_of(&i);
    ret->cpus = i.cpus;
    ret->memory = i.memory;
    ret->disk = i.disk;
    ret->disk_used = csb__tree_bytes(i.dir);
    ret->started = ret->state == CSB_VM_RUNNING || ret->state == CSB_VM_STARTING
                       ? csb__process_began(i.start_time)
                       : 0;
    return i.ssh_port ? csb__keys_door(&i, &ret->door, err) : 0;
}

struct looks {
    struct csb__env *env;
    const char *const *names;
    struct csb__machine *rets;
    int *codes;
};

static void look_at(void *arg, size_t i) {
    struct looks *l = arg;

    l->codes[i] = inspect(l->env, l->names[i], "", &l->rets[i], NULL);
}

static int inspect_all(struct csb__env *env, const char *const *names, size_t n,
                       const char *home_dir, struct csb__machine *rets, int *codes,
                       csb_error **err) {
    struct looks l = {env, names, rets, codes};

    (void)home_dir;
    (void)err;
    csb__each(n, look_at, &l);
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
    .suspends = true,
    .pauses = true,
    .create = csb__qemu_create,
    .clone = csb__qemu_clone,
    .configure = csb__qemu_configure,
    .start = start,
    .stop = stop,
    .remove = csb__qemu_remove,
    .rename = csb__qemu_rename,
    .inspect = inspect,
    .inspect_all = inspect_all,
    .console = console,
    .clean = csb__qemu_clean,
};
