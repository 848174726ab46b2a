/* SPDX-License-Identifier: MIT */
/* What may become different about a machine that is there: ports at once, the rest at its next
 * start. */
#include <string.h>

#include "core/options.h"
#include "core/posix.h"
#include "guest/forward.h"
#include "guest/ssh.h"
#include "store.h"
#include "vm.h"
#include "vm_neighbours.h"
#include "vm_options.h"

#define CHANGE_TIMEOUT_MS (5 * 60 * 1000)
#define WAITING_FOR "starting or stopping this VM"

static struct csb__env *env_of(const csb_vm *vm) {
    return &vm->ctx->env;
}

static int load(csb_vm_options *o, const csb_vm_options *opts, csb_error **err) {
    int rc = csb__options_load(o, sizeof(*o), opts, err);

    if (rc == 0 && (o->name || o->project_dir || o->mounts || o->n_mounts || o->flags || o->ports ||
                    o->n_ports)) {
        rc = csb__fail(err, CSB_EINVAL, "only sizes and settings of a machine can be changed");
    }
    return rc;
}

static bool dir_is_so(const csb_vm *vm, const struct csb__changes *c) {
    const char *dir = vm->record.spec.settings_dir;

    return c->settings_dir && dir && strcmp(c->settings_dir, dir) == 0;
}

static bool mode_is_so(const csb_vm *vm, const struct csb__changes *c) {
    const struct csb__mount *settings = csb__spec_settings(&vm->record.spec);
    int mode = settings && !settings->writable ? CSB_SETTINGS_RO : CSB_SETTINGS_RW;

    return c->settings_mode == mode && (settings || !c->settings_dir);
}

/* What is as it is already needs no change. Not so with settings that were asked for before and are
 * recorded: whoever wrote them down was killed, and the engine may not know of them yet. */
static void drop_idle(const csb_vm *vm, struct csb__changes *c, bool keep_dir, bool keep_mode) {
    c->cpus = c->cpus == csb_vm_cpus(vm) ? 0 : c->cpus;
    c->memory = c->memory == csb_vm_memory_bytes(vm) ? 0 : c->memory;
    c->disk = c->disk == csb_vm_disk_bytes(vm) ? 0 : c->disk;
    if (dir_is_so(vm, c) && !keep_dir) {
        free(c->settings_dir);
        c->settings_dir = NULL;
    }
    if (mode_is_so(vm, c) && !keep_mode) {
        c->settings_mode = 0;
    }
}

/* Added to what was asked for before; `dir` is taken over. */
static void add(struct csb__changes *c, const csb_vm_options *o, char *dir) {
    c->cpus = o->cpus ? o->cpus : c->cpus;
    c->memory = o->memory_bytes ? o->memory_bytes : c->memory;
    c->disk = o->disk_bytes ? o->disk_bytes : c->disk;
    c->settings_mode = o->settings_mode ? o->settings_mode : c->settings_mode;
    if (dir) {
        free(c->settings_dir);
        c->settings_dir = dir;
    }
}

/* On a copy, so that what can't be is refused now and not at the next start. */
static int try_changes(const csb_vm *vm, csb_error **err) {
    CSB__AUTOSPEC spec = {0};
    uint64_t disk = csb_vm_disk_bytes(vm);
    int rc = 0;

    if (vm->record.changes.disk && vm->record.changes.disk < disk) {
        return csb__fail(err, CSB_EINVAL, "a disk can't be made smaller than it is, %lluGiB",
                         (unsigned long long)(disk >> 30));
    }
    rc = csb__spec_copy(&vm->record.spec, &spec, err);
    if (rc == 0) {
        rc = csb__spec_change(&spec, &vm->record.changes, err);
    }
    return rc == 0 ? csb__neighbours_check(env_of(vm), &spec, err) : rc;
}

static int configure_locked(csb_vm *vm, const csb_vm_options *o, char **dir, csb_error **err) {
    struct csb__changes *c = &vm->record.changes;
    bool keep_dir = dir_is_so(vm, c);
    bool keep_mode = mode_is_so(vm, c);
    int rc = csb__vm_inspect(vm, err);

    if (rc != 0) {
        return rc;
    }
    add(c, o, CSB__STEAL(*dir));
    drop_idle(vm, c, keep_dir, keep_mode);
    rc = try_changes(vm, err);
    return rc == 0 ? csb__store_save(env_of(vm), &vm->record, err) : rc;
}

int csb_vm_configure(csb_vm *vm, const csb_vm_options *opts, int *ret_later, csb_error **err) {
    csb_vm_options o = CSB_VM_OPTIONS_INIT;
    CSB__AUTOFREE char *dir = NULL;
    CSB__AUTOCLOSE int fd = -1;
    int rc = load(&o, opts, err);

    if (rc != 0) {
        return rc;
    }
    csb__env_begin(env_of(vm), CHANGE_TIMEOUT_MS);
    rc = csb__vm_options_fit(env_of(vm), o.cpus, o.memory_bytes, err);
    if (rc == 0) {
        rc = csb__vm_options_changes(env_of(vm), &o, &dir, err);
    }
    if (rc == 0) {
        rc = csb__vm_lock(vm, WAITING_FOR, &fd, err);
    }
    if (rc == 0) {
        rc = configure_locked(vm, &o, &dir, err);
    }
    if (rc == 0 && ret_later) {
        *ret_later = csb__changes_any(&vm->record.changes) &&
                     (vm->machine.state == CSB_VM_RUNNING || vm->machine.state == CSB_VM_STARTING ||
                      vm->machine.state == CSB_VM_SUSPENDED);
    }
    return rc;
}

static void swap_specs(struct csb__spec *a, struct csb__spec *b) {
    struct csb__spec c = *a;

    *a = *b;
    *b = c;
}

/* Written down before the engine does it, so that others see which directories are taken, and with
 * the changes, so that after a crash it is done again. */
static int apply(csb_vm *vm, csb_error **err) {
    struct csb__record *record = &vm->record;
    int rc = csb__neighbours_reserve(env_of(vm), record, err);

    return rc == 0 ? vm->engine->configure(env_of(vm), &record->spec, record->engine_home, err)
                   : rc;
}

/* What is refused is forgotten: the machine must not fail to start for ever. */
int csb__vm_apply_changes(csb_vm *vm, csb_error **err) {
    struct csb__record *record = &vm->record;
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOSPEC spec = {0};
    int rc;

    if (!csb__changes_any(&record->changes)) {
        return 0;
    }
    rc = csb__spec_copy(&record->spec, &spec, err);
    if (rc == 0) {
        rc = csb__spec_change(&spec, &record->changes, err);
    }
    if (rc != 0) {
        return rc;
    }
    swap_specs(&record->spec, &spec);
    rc = apply(vm, &e);
    if (rc != 0) {
        swap_specs(&record->spec, &spec);
    }
    if (rc != CSB_ECANCELED && rc != CSB_ETIMEOUT && rc != CSB_ENOMEM) {
        csb__changes_finish(&record->changes);
    }
    if (rc != 0) {
        (void)csb__store_save(env_of(vm), record, NULL);
        csb__error_prepend(&e, "%s stays as it was", csb_vm_name(vm));
        return csb__error_propagate(err, CSB__STEAL(e));
    }
    return csb__store_save(env_of(vm), record, err);
}

/* Ports that are open, as far as they were recorded, are ours. */
static int set_ports_locked(csb_vm *vm, const csb_port *ports, size_t n, csb_error **err) {
    struct csb__env *env = env_of(vm);
    struct csb__spec *spec = &vm->record.spec;
    struct csb__spec next = {0};
    bool running = vm->machine.state == CSB_VM_RUNNING;
    int rc = csb__vm_options_ports(&next, ports, n, err);

    if (rc == 0 && !csb__ports_equal(next.ports, next.n_ports, spec->ports, spec->n_ports)) {
        rc = csb__ports_check_free(next.ports, next.n_ports, running ? spec->ports : NULL,
                                   running ? spec->n_ports : 0, err);
        if (rc == 0 && running) {
            rc = csb__ssh_connect(env, &vm->machine.door, err);
            csb__forwards_close(env, &vm->machine.door, spec->ports, spec->n_ports);
        }
        if (rc == 0) {
            rc = csb__spec_set_ports(spec, next.ports, next.n_ports, err);
        }
        if (rc == 0) {
            rc = csb__store_save(env, &vm->record, err);
        }
        if (rc == 0 && running) {
            rc = csb__forwards_open(env, &vm->machine.door, spec->ports, spec->n_ports, err);
        }
    }
    csb__spec_finish(&next);
    return rc;
}

int csb_vm_set_ports(csb_vm *vm, const csb_port *ports, size_t n_ports, csb_error **err) {
    CSB__AUTOCLOSE int fd = -1;
    int rc;

    csb__env_begin(env_of(vm), CHANGE_TIMEOUT_MS);
    rc = csb__vm_lock(vm, WAITING_FOR, &fd, err);
    if (rc == 0) {
        rc = csb__vm_inspect(vm, err);
    }
    return rc == 0 ? set_ports_locked(vm, ports, n_ports, err) : rc;
}
