/* SPDX-License-Identifier: MIT */
#ifndef CSB_VM_PROVISION_H
#define CSB_VM_PROVISION_H

#include "vm.h"

/* Whether the machine's template has scripts that were never all run: its start takes long then. */
bool csb__vm_is_provisioned(csb_vm *vm);
/* Has them run in a guest that is up, once. EENGINE when one failed; the next start runs it again. */
int csb__vm_provision(csb_vm *vm, csb_error **err);

#endif
