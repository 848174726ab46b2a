/* SPDX-License-Identifier: MIT */
#include <claudesandbox/claude.h>

#include "guest/activity.h"
#include "guest/ssh.h"
#include "vm.h"

#define ASK_MS (30 * 1000)

int csb_vm_activity(csb_vm *vm, int *ret, csb_error **err) {
    struct csb__env *env = &vm->ctx->env;
    int rc = csb__vm_require_running(vm, err);

    if (rc != 0) {
        return rc;
    }
    csb__env_begin(env, ASK_MS);
    rc = csb__ssh_connect(env, &vm->machine.door, err);
    return rc == 0 ? csb__activity_ask(env, &vm->machine.door, ret, err) : rc;
}
