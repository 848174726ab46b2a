/* SPDX-License-Identifier: MIT */
#include "vm.h"

#include <errno.h>
#include <string.h>

#include "core/lock.h"
#include "core/path.h"
#include "model/vm_name.h"
#include "store.h"
#include "vm_rename.h"

#define QUERY_TIMEOUT_MS (60 * 1000)

static struct csb__env *env_of(const csb_vm *vm) {
    return &vm->ctx->env;
}

static void set_machine(csb_vm *vm, struct csb__machine *m) {
    csb__machine_finish(&vm->machine);
    vm->machine = *m;
    vm->gone = false;
    *m = (struct csb__machine){0};
}

void csb__vm_set_broken(csb_vm *vm, const char *why) {
    struct csb__machine m = {.state = CSB_VM_BROKEN, .reason = strdup(why)};

    set_machine(vm, &m);
}

void csb__vm_set_gone(csb_vm *vm) {
    csb__vm_set_broken(vm, "its engine does not know it any more");
    vm->gone = true;
}

void csb__vm_look_for_maker(csb_vm *vm) {
    if (!vm->record.complete && csb__lock_is_held(env_of(vm), vm->record.spec.name)) {
        csb__vm_set_broken(vm, "it is being created");
        vm->machine.state = CSB_VM_STARTING;
    }
}

bool csb__vm_can_be_asked(csb_vm *vm) {
    if (!vm->engine) {
        csb__vm_set_broken(vm, "its engine is not part of this build");
        return false;
    }
    if (!vm->record.complete) {
        csb__vm_set_broken(vm, "its creation was interrupted");
        return false;
    }
    return true;
}

int csb__vm_inspect(csb_vm *vm, csb_error **err) {
    CSB__AUTOMACHINE m = {0};
    int rc;

    if (!csb__vm_can_be_asked(vm)) {
        return 0;
    }
    rc = vm->engine->inspect(env_of(vm), vm->record.spec.name, vm->record.engine_home, &m, err);
    if (rc == 0) {
        set_machine(vm, &m);
    }
    return rc;
}

/* What callers have from the getters stays where it is, as long as it says the same. */
static void keep_place(char **old, char **fresh) {
    if (*old && *fresh && strcmp(*old, *fresh) == 0) {
        char *kept = *old;

        *old = *fresh;
        *fresh = kept;
    }
}

void csb__vm_take_record(csb_vm *vm, struct csb__record *fresh) {
    keep_place(&vm->record.spec.name, &fresh->spec.name);
    keep_place(&vm->record.spec.project_dir, &fresh->spec.project_dir);
    keep_place(&vm->record.engine, &fresh->engine);
    csb__record_finish(&vm->record);
    vm->record = *fresh;
    *fresh = (struct csb__record){0};
}

int csb__vm_lock(csb_vm *vm, const char *what, int *fd, csb_error **err) {
    struct csb__record fresh = {0};
    int rc = csb__lock(env_of(vm), vm->record.spec.name, what, fd, err);

    if (rc == 0) {
        rc = csb__store_load(env_of(vm), vm->record.spec.name, &fresh, err);
    }
    if (rc == 0) {
        csb__vm_take_record(vm, &fresh);
    }
    return rc;
}

static int new_handle(csb_ctx *ctx, struct csb__record *record, csb_vm **ret, csb_error **err) {
    csb_vm *vm = calloc(1, sizeof(*vm));

    if (!vm) {
        csb__record_finish(record);
        return csb__fail_nomem(err);
    }
    vm->ctx = ctx;
    vm->record = *record;
    *record = (struct csb__record){0};
    vm->engine = csb__engine_by_name(vm->record.engine);
    *ret = vm;
    return 0;
}

int csb__vm_new(csb_ctx *ctx, struct csb__record *record, csb_vm **ret, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    csb_vm *vm = NULL;
    int rc = new_handle(ctx, record, &vm, err);

    if (rc != 0) {
        return rc;
    }
    rc = csb__vm_inspect(vm, &e);
    if (rc == CSB_ENOTFOUND) {
        /* Deleted behind our back. The handle is good for one thing: deleting the record. */
        csb__vm_set_gone(vm);
    } else if (rc == CSB_ECANCELED || rc == CSB_ENOMEM) {
        csb_vm_free(vm);
        return csb__error_propagate(err, CSB__STEAL(e));
    } else if (rc != 0) {
        csb__vm_set_broken(vm, csb_error_message(e));
    }
    csb__vm_look_for_maker(vm);
    *ret = vm;
    return 0;
}

int csb_vm_open(csb_ctx *ctx, const char *name, csb_vm **ret, csb_error **err) {
    struct csb__record record = {0};
    int rc;

    csb__env_begin(&ctx->env, QUERY_TIMEOUT_MS);
    if (!csb__vm_name_valid(name)) {
        return csb__fail(err, CSB_EINVAL, "\"%s\" is not a name for a machine", name);
    }
    csb__rename_settle(ctx);
    rc = csb__store_load(&ctx->env, name, &record, err);
    return rc == 0 ? csb__vm_new(ctx, &record, ret, err) : rc;
}

/* The record of a project, complete ones first. */
static int find_project(struct csb__env *env, const char *path, struct csb__record *ret,
                        csb_error **err) {
    struct csb__record *list;
    bool found = false;
    size_t n;
    int rc = csb__store_list(env, &list, &n, err);

    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; i < n && !found; i++) {
        if (list[i].complete && list[i].spec.project_dir &&
            strcmp(list[i].spec.project_dir, path) == 0) {
            *ret = list[i];
            list[i] = (struct csb__record){0};
            found = true;
        }
    }
    csb__store_list_free(list, n);
    return found ? 0 : csb__fail(err, CSB_ENOTFOUND, "%s has no VM", path);
}

int csb_vm_for_project(csb_ctx *ctx, const char *dir, csb_vm **ret, csb_error **err) {
    CSB__AUTOFREE char *path = realpath(dir, NULL);
    struct csb__record record = {0};
    int rc;

    csb__env_begin(&ctx->env, QUERY_TIMEOUT_MS);
    csb__rename_settle(ctx);
    if (!path) {
        path = csb__path_absolute(dir);
    }
    if (!path) {
        return csb__fail(err, CSB_EINVAL, "the current directory is gone");
    }
    rc = find_project(&ctx->env, path, &record, err);
    return rc == 0 ? csb__vm_new(ctx, &record, ret, err) : rc;
}

int csb_vm_refresh(csb_vm *vm, csb_error **err) {
    int rc;

    csb__env_begin(env_of(vm), QUERY_TIMEOUT_MS);
    rc = csb__vm_inspect(vm, err);
    csb__vm_look_for_maker(vm);
    return rc;
}

int csb__vm_require_running(const csb_vm *vm, csb_error **err) {
    if (vm->machine.state == CSB_VM_RUNNING && vm->machine.door.ssh_config) {
        return 0;
    }
    csb__fail(err, CSB_ESTATE, "%s is %s", csb_vm_name(vm), csb_vm_state_name(vm));
    csb__error_set_hint(err, "start it first");
    return CSB_ESTATE;
}

const char *csb_vm_name(const csb_vm *vm) {
    return vm->record.spec.name;
}

const char *csb_vm_project_dir(const csb_vm *vm) {
    return vm->record.spec.project_dir ? vm->record.spec.project_dir : "";
}

const char *csb_vm_engine(const csb_vm *vm) {
    return vm->record.engine;
}

int csb_vm_state(const csb_vm *vm) {
    return vm->machine.state;
}

const char *csb_vm_state_name(const csb_vm *vm) {
    switch (vm->machine.state) {
    case CSB_VM_STOPPED:
        return "stopped";
    case CSB_VM_STARTING:
        return "starting";
    case CSB_VM_RUNNING:
        return "running";
    case CSB_VM_SUSPENDED:
        return "suspended";
    default:
        return "broken";
    }
}

const char *csb_vm_state_reason(const csb_vm *vm) {
    return vm->machine.reason ? vm->machine.reason : "";
}

int csb_vm_cpus(const csb_vm *vm) {
    return vm->machine.cpus ? vm->machine.cpus : vm->record.spec.cpus;
}

uint64_t csb_vm_memory_bytes(const csb_vm *vm) {
    return vm->machine.memory ? vm->machine.memory : vm->record.spec.memory;
}

uint64_t csb_vm_disk_bytes(const csb_vm *vm) {
    return vm->machine.disk ? vm->machine.disk : vm->record.spec.disk;
}

uint64_t csb_vm_disk_used_bytes(const csb_vm *vm) {
    return vm->machine.disk_used;
}

int64_t csb_vm_created(const csb_vm *vm) {
    return vm->record.created;
}

int64_t csb_vm_started(const csb_vm *vm) {
    return vm->machine.started;
}

const char *csb_vm_ssh_config(const csb_vm *vm) {
    return vm->machine.door.ssh_config ? vm->machine.door.ssh_config : "";
}

const char *csb_vm_ssh_host(const csb_vm *vm) {
    return vm->machine.door.ssh_host ? vm->machine.door.ssh_host : "";
}

void csb_vm_free(csb_vm *vm) {
    if (vm) {
        csb__record_finish(&vm->record);
        csb__machine_finish(&vm->machine);
        free(vm->hooks_socket);
        free(vm);
    }
}
