/* SPDX-License-Identifier: MIT */
/* What happens to a machine that is there: start, stop, delete. One at a time, by its lock. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/path.h"
#include "guest/forward.h"
#include "guest/ready.h"
#include "guest/setup.h"
#include "guest/ssh.h"
#include "store.h"
#include "vm.h"
#include "vm_options.h"
#include "vm_provision.h"

#define START_TIMEOUT_MS (10 * 60 * 1000)
#define PROVISION_TIMEOUT_MS (3 * 60 * 60 * 1000)
#define STOP_TIMEOUT_MS (5 * 60 * 1000)
#define UNDO_MS (60 * 1000)
#define CONSOLE_MAX 8192

static struct csb__env *env_of(const csb_vm *vm) {
    return &vm->ctx->env;
}

/* A machine that did not come up: the end of its console says why, more often than not. */
static void add_console(csb_vm *vm, csb_error **err) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;

    int code = csb_error_code(*err);

    if ((code == CSB_EENGINE || code == CSB_ETIMEOUT) && *csb_error_detail(*err) == '\0') {
        vm->engine->console(env_of(vm), vm->record.spec.name, vm->record.engine_home, &text);
        csb__strbuf_keep_tail(&text, CONSOLE_MAX);
        csb__error_set_child(err, csb_error_exit_status(*err), csb__strbuf_text(&text), text.len);
    }
}

static void stop_after_failure(csb_vm *vm) {
    int64_t saved = csb__env_shield(env_of(vm), UNDO_MS);

    if (vm->machine.door.control_path) {
        csb__ssh_disconnect(env_of(vm), &vm->machine.door);
    }
    (void)vm->engine->stop(env_of(vm), vm->record.spec.name, vm->record.engine_home,
                           CSB__STOP_FORCE | CSB__STOP_UNDO, NULL);
    (void)csb__vm_inspect(vm, NULL);
    csb__env_unshield(env_of(vm), saved);
}

/* What was recorded must still be what is there: a directory may lie in another that some guest can
 * write, and be a link to elsewhere by now. */
static int check_mounts(const struct csb__spec *spec, csb_error **err) {
    for (size_t i = 0; i < spec->n_mounts; i++) {
        const char *path = spec->mounts[i].host_path;
        CSB__AUTOFREE char *real = realpath(path, NULL);
        struct stat st;

        if (!real || stat(real, &st) != 0 || !S_ISDIR(st.st_mode)) {
            csb__fail(err, CSB_ESTATE, "%s is no directory any more", path);
            csb__error_set_hint(err, "claude-sandbox delete %s", spec->name);
            return CSB_ESTATE;
        }
        if (strcmp(real, path) != 0) {
            return csb__fail(
                err, CSB_ESTATE,
                "%s is not the directory that this VM was made for: it leads to %s now", path,
                real);
        }
    }
    return 0;
}

/* What a guest needs that was just started, or whose connection is another one since. */
static int equip(csb_vm *vm, bool fresh, csb_error **err) {
    struct csb__env *env = env_of(vm);
    CSB__AUTOFOUND found = {0};
    int rc = csb__guest_setup(env, vm->engine, &vm->record.spec, &vm->machine.door, fresh, &found,
                              err);

    if (rc == 0) {
        rc = csb__vm_provision(vm, err);
    }
    if (rc == 0) {
        rc = csb__forwards_open(env, &vm->machine.door, vm->record.spec.ports,
                                vm->record.spec.n_ports, err);
    }
    if (rc == 0) {
        rc = csb__vm_arm_hooks(vm, found.place, err);
    }
    if (rc == 0) {
        csb__ready_save(&vm->machine.door, &vm->record.spec, vm->hooks_socket, found.keeper);
    }
    return rc;
}

/* `fresh`: it did not run a moment ago, and else it was inspected then. */
static int bring_up(csb_vm *vm, bool fresh, csb_error **err) {
    struct csb__env *env = env_of(vm);
    char *hooks = NULL;
    int rc = 0;

    /* The settings directory is ours to make, also when it was deleted since. */
    if (vm->record.spec.settings_dir && access(vm->record.spec.settings_dir, F_OK) != 0) {
        rc = csb__mkdirs(vm->record.spec.settings_dir, err);
    }
    if (rc == 0) {
        rc = check_mounts(&vm->record.spec, err);
    }
    if (rc == 0 && (fresh || vm->engine->pauses)) {
        rc = vm->engine->start(env, &vm->record.spec, vm->record.engine_home, err);
    }
    if (rc == 0 && fresh) {
        rc = csb__vm_inspect(vm, err);
    }
    if (rc == 0) {
        rc = csb__vm_require_running(vm, err);
    }
    if (rc == 0 && !fresh && csb__ready_load(&vm->machine.door, &vm->record.spec, &hooks)) {
        csb__vm_hooks_are_armed(vm, hooks);
        return 0;
    }
    return rc == 0 ? equip(vm, fresh, err) : rc;
}

int csb_vm_start(csb_vm *vm, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOCLOSE int fd = -1;
    bool was_running;
    bool was_suspended;
    int rc;

    csb__env_begin(env_of(vm), START_TIMEOUT_MS);
    rc = csb__vm_lock(vm, "starting this VM", &fd, err);
    if (rc == 0) {
        rc = csb__vm_inspect(vm, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (!vm->engine || !vm->record.complete) {
        csb__fail(err, CSB_ESTATE, "%s: %s", csb_vm_name(vm), csb_vm_state_reason(vm));
        csb__error_set_hint(err, "claude-sandbox delete %s", csb_vm_name(vm));
        return CSB_ESTATE;
    }
    if (!csb__vm_is_provisioned(vm)) {
        csb__env_begin(env_of(vm), PROVISION_TIMEOUT_MS);
    }
    was_running = vm->machine.state == CSB_VM_RUNNING;
    was_suspended = vm->machine.state == CSB_VM_SUSPENDED;
    if (!was_running) {
        /* One that is suspended goes on as it was, and changes when it was stopped. */
        rc = was_suspended ? 0 : csb__vm_apply_changes(vm, err);
        if (rc != 0) {
            return rc;
        }
        /* Said before the minutes that a boot may take. */
        rc = csb__ports_check_free(vm->record.spec.ports, vm->record.spec.n_ports, NULL, 0, err);
        if (rc != 0) {
            return rc;
        }
        csb__progress(env_of(vm), 0, 0, "starting the VM");
    }
    rc = bring_up(vm, !was_running, &e);
    if (rc == 0) {
        return 0;
    }
    add_console(vm, &e);
    /* One that ran before may have somebody in it, also if it was suspended meanwhile; not so one that
     * sees what it should not. */
    if ((!was_running && !was_suspended) || rc == CSB_EPROTOCOL) {
        stop_after_failure(vm);
    }
    csb__error_prepend(&e, "starting %s", csb_vm_name(vm));
    return csb__error_propagate(err, CSB__STEAL(e));
}

static int stop_locked(csb_vm *vm, unsigned flags, csb_error **err) {
    int rc;

    if (!vm->engine) {
        return csb__fail(err, CSB_ENOTSUP, "%s is of the engine %s, which is not here",
                         csb_vm_name(vm), vm->record.engine);
    }
    if ((flags & CSB_STOP_SUSPEND) && !vm->engine->suspends) {
        return csb__fail(err, CSB_ENOTSUP, "the %s engine can't keep what runs in %s",
                         vm->engine->name, csb_vm_name(vm));
    }
    if (vm->machine.door.control_path) {
        csb__ssh_disconnect(env_of(vm), &vm->machine.door);
    }
    rc = vm->engine->stop(env_of(vm), vm->record.spec.name, vm->record.engine_home,
                          (flags & CSB_STOP_FORCE ? CSB__STOP_FORCE : 0) |
                              (flags & CSB_STOP_SUSPEND ? CSB__STOP_SUSPEND : 0),
                          err);
    if (rc == 0) {
        rc = csb__vm_inspect(vm, err);
    }
    if (rc != 0) {
        csb__error_prepend(err, "stopping %s", csb_vm_name(vm));
    }
    return rc;
}

int csb_vm_stop(csb_vm *vm, unsigned flags, csb_error **err) {
    CSB__AUTOCLOSE int fd = -1;
    int rc;

    if (flags & ~(unsigned)(CSB_STOP_FORCE | CSB_STOP_SUSPEND)) {
        return csb__fail(err, CSB_EINVAL, "unknown flags");
    }
    if ((flags & CSB_STOP_FORCE) && (flags & CSB_STOP_SUSPEND)) {
        return csb__fail(err, CSB_EINVAL, "a VM is suspended or stopped by force, not both");
    }
    csb__env_begin(env_of(vm), STOP_TIMEOUT_MS);
    rc = csb__vm_lock(vm, "starting or stopping this VM", &fd, err);
    return rc == 0 ? stop_locked(vm, flags, err) : rc;
}

static int delete_locked(csb_vm *vm, unsigned flags, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    int rc = csb__vm_inspect(vm, &e);

    if (rc == CSB_ECANCELED || rc == CSB_ENOMEM) {
        return csb__error_propagate(err, CSB__STEAL(e));
    }
    if (!vm->engine) {
        return csb__fail(err, CSB_ENOTSUP, "%s is of the engine %s, which is not here",
                         csb_vm_name(vm), vm->record.engine);
    }
    if (vm->record.is_protected) {
        csb__fail(err, CSB_ESTATE, "%s is protected against deletion", csb_vm_name(vm));
        csb__error_set_hint(err, "claude-sandbox delete -f %s", csb_vm_name(vm));
        return CSB_ESTATE;
    }
    /* One that can't be asked may run. */
    if (rc != 0 && rc != CSB_ENOTFOUND && !(flags & CSB_DELETE_FORCE)) {
        csb__error_prepend(&e, "deleting %s", csb_vm_name(vm));
        csb__error_set_hint(&e, "claude-sandbox delete %s", csb_vm_name(vm));
        return csb__error_propagate(err, CSB__STEAL(e));
    }
    if (rc == 0 && vm->machine.state == CSB_VM_RUNNING && !(flags & CSB_DELETE_FORCE)) {
        csb__fail(err, CSB_ESTATE, "%s is running", csb_vm_name(vm));
        csb__error_set_hint(err,
                            "stop it first, or delete it by force: claude-sandbox delete -f %s",
                            csb_vm_name(vm));
        return CSB_ESTATE;
    }
    if (vm->machine.door.control_path) {
        csb__ssh_disconnect(env_of(vm), &vm->machine.door);
    }
    rc = vm->engine->remove(env_of(vm), vm->record.spec.name, vm->record.engine_home, err);
    if (rc == 0) {
        rc = csb__store_remove(env_of(vm), vm->record.spec.name, err);
    }
    if (rc != 0) {
        csb__error_prepend(err, "deleting %s", csb_vm_name(vm));
    }
    return rc;
}

int csb_vm_delete(csb_vm *vm, unsigned flags, csb_error **err) {
    CSB__AUTOCLOSE int fd = -1;
    int rc;

    if (flags & ~(unsigned)CSB_DELETE_FORCE) {
        return csb__fail(err, CSB_EINVAL, "unknown flags");
    }
    csb__env_begin(env_of(vm), STOP_TIMEOUT_MS);
    rc = csb__vm_lock(vm, "starting or stopping this VM", &fd, err);
    return rc == 0 ? delete_locked(vm, flags, err) : rc;
}
