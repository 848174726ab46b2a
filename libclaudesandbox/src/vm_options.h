/* SPDX-License-Identifier: MIT */
#ifndef CSB_VM_OPTIONS_H
#define CSB_VM_OPTIONS_H

#include <claudesandbox/vm.h>

#include "core/env.h"
#include "model/spec.h"

/* A caller's options, checked and with every path resolved; the name is still missing unless it
 * was given. */
int csb__vm_options_resolve(struct csb__env *env, const csb_vm_options *opts, struct csb__spec *ret,
                            csb_error **err);

/* Whether this host can bear sizes that were ordered. Memory that it does not have is refused. Its
 * processors take turns, so more of them than it has are slow and no more than warned of. */
int csb__vm_options_fit(struct csb__env *env, int cpus, uint64_t memory, csb_error **err);

/* Whether the sizes and the settings of options can be; the settings directory is made, and *dir is
 * its real path then, to be freed (NULL: none is given). */
int csb__vm_options_changes(struct csb__env *env, const csb_vm_options *o, char **dir,
                            csb_error **err);

/* The same for ports alone. */
int csb__vm_options_ports(struct csb__spec *spec, const csb_port *ports, size_t n, csb_error **err);

#endif
