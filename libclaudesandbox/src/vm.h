/* SPDX-License-Identifier: MIT */
#ifndef CSB_VM_H
#define CSB_VM_H

#include <claudesandbox/vm.h>

#include <sys/types.h>
#include <time.h>

#include "context.h"
#include "model/record.h"

struct csb_vm {
    csb_ctx *ctx;
    struct csb__record record;
    const struct csb__engine *engine;
    struct csb__machine machine; /* as of the last call that asked */
    bool gone;                   /* its engine did not know it then */
    char *hooks_socket;          /* in the guest, once it leads to the host; else NULL */
    dev_t hooks_dev;             /* the connection by which it does; see vm_hooks.c */
    ino_t hooks_ino;
    time_t hooks_ctime;
};

void csb__vm_set_broken(csb_vm *vm, const char *why);
/* Broken, since its engine does not know it. */
void csb__vm_set_gone(csb_vm *vm);
/* One that is half made may be in the making: by whoever has its lock. Not for us who have it. */
void csb__vm_look_for_maker(csb_vm *vm);
/* False, and it is broken with the reason, when there is no engine that could tell of it. */
bool csb__vm_can_be_asked(csb_vm *vm);
/* Asks the engine; what can't be asked is broken. ENOTFOUND when the engine does not know it. */
int csb__vm_inspect(csb_vm *vm, csb_error **err);

/* ESTATE, with the command that helps, unless it ran when last asked. */
int csb__vm_require_running(const csb_vm *vm, csb_error **err);

/* Has the handle go by a record that was read anew, which is ours then. */
void csb__vm_take_record(csb_vm *vm, struct csb__record *fresh);

/* The machine's lock, and the record as it is now that nobody else changes it. `what` is told to
 * whoever has to wait. */
int csb__vm_lock(csb_vm *vm, const char *what, int *fd, csb_error **err);

/* vm_change.c: makes a machine that does not run what was asked for since. With its lock. */
int csb__vm_apply_changes(csb_vm *vm, csb_error **err);

/* Lets hooks in the guest reach the host, over the connection that is open. A VM that has no place
 * for that is warned of, and no error. place: see csb__socket_carry(). */
int csb__vm_arm_hooks(csb_vm *vm, const char *place, csb_error **err);
/* They can do so already, by the connection that is open; takes the path in the guest over. */
void csb__vm_hooks_are_armed(csb_vm *vm, char *socket);

/* A handle of a record, which it takes over in either case; asks the engine. */
int csb__vm_new(csb_ctx *ctx, struct csb__record *record, csb_vm **ret, csb_error **err);

#endif
