/* SPDX-License-Identifier: MIT */
/* Machines that must not be deleted. The word is in our record; an engine whose own tools could
 * delete them is told too. */
#include "store.h"
#include "vm.h"

#define PROTECT_TIMEOUT_MS (60 * 1000)

static int tell_engine(csb_vm *vm, bool on, csb_error **err) {
    if (!vm->engine || !vm->engine->protect) {
        return 0;
    }
    return vm->engine->protect(&vm->ctx->env, vm->record.spec.name, vm->record.engine_home, on,
                               err);
}

int csb_vm_protect(csb_vm *vm, int on, csb_error **err) {
    CSB__AUTOCLOSE int fd = -1;
    int rc;

    csb__env_begin(&vm->ctx->env, PROTECT_TIMEOUT_MS);
    rc = csb__vm_lock(vm, "changing this VM", &fd, err);
    if (rc == 0) {
        rc = tell_engine(vm, on, err);
    }
    if (rc == 0) {
        vm->record.is_protected = on;
        rc = csb__store_save(&vm->ctx->env, &vm->record, err);
    }
    if (rc != 0) {
        csb__error_prepend(err, "%s %s", on ? "protecting" : "unprotecting", csb_vm_name(vm));
    }
    return rc;
}

int csb_vm_is_protected(const csb_vm *vm) {
    return vm->record.is_protected;
}
