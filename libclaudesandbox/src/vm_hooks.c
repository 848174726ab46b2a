/* SPDX-License-Identifier: MIT */
/* Makes what Claude in a machine reports come to the host. Whether anybody listens there is another
 * matter: see hooks.c. */
#include <stdlib.h>
#include <sys/stat.h>

#include "guest/socket.h"
#include "hooks/endpoint.h"
#include "vm.h"

/* Tells one connection to the guest from another: the socket of its ssh master. */
static bool is_armed(const csb_vm *vm, struct stat *st) {
    return stat(vm->machine.door.control_path, st) == 0 && vm->hooks_socket &&
           vm->hooks_dev == st->st_dev && vm->hooks_ino == st->st_ino &&
           vm->hooks_ctime == st->st_ctime;
}

static int carry(csb_vm *vm, const char *place, csb_error **err) {
    struct csb__env *env = &vm->ctx->env;
    CSB__AUTOFREE char *path = NULL;
    int rc = csb__hooks_socket_path(env, vm->record.spec.name, &path, err);

    return rc == 0 ? csb__socket_carry(env, &vm->machine.door, path, place, "hooks",
                                       &vm->hooks_socket, err)
                   : rc;
}

static void note(csb_vm *vm, const struct stat *st) {
    vm->hooks_dev = st->st_dev;
    vm->hooks_ino = st->st_ino;
    vm->hooks_ctime = st->st_ctime;
}

void csb__vm_hooks_are_armed(csb_vm *vm, char *socket) {
    struct stat st = {0};

    free(vm->hooks_socket);
    vm->hooks_socket = socket;
    (void)stat(vm->machine.door.control_path, &st);
    note(vm, &st);
}

int csb__vm_arm_hooks(csb_vm *vm, const char *place, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    struct stat st = {0};
    int rc;

    if (is_armed(vm, &st)) {
        return 0;
    }
    free(vm->hooks_socket);
    vm->hooks_socket = NULL;
    rc = carry(vm, place, &e);
    if (rc == CSB_ECANCELED || rc == CSB_ENOMEM) {
        return csb__error_propagate(err, CSB__STEAL(e));
    }
    if (rc != 0) {
        /* Claude can work without being heard. */
        csb__log(&vm->ctx->env, CSB_LOG_WARNING, "hooks of %s are not heard: %s",
                 vm->record.spec.name, csb_error_message(e));
        return 0;
    }
    note(vm, &st);
    return 0;
}
