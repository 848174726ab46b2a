/* SPDX-License-Identifier: MIT */
/* Ports of a guest that the host can reach, as forwards of the open ssh connection. */
#ifndef CSB_GUEST_FORWARD_H
#define CSB_GUEST_FORWARD_H

#include "engine/engine.h"

/* EBUSY when somebody listens on one of the host's ports. `except` are ours already. */
int csb__ports_check_free(const struct csb__port *ports, size_t n, const struct csb__port *except,
                          size_t n_except, csb_error **err);
/* Opens them all; one that is open stays so. */
int csb__forwards_open(struct csb__env *env, const struct csb__door *door,
                       const struct csb__port *ports, size_t n, csb_error **err);
/* Closes them; one that is not open is no error. */
void csb__forwards_close(struct csb__env *env, const struct csb__door *door,
                         const struct csb__port *ports, size_t n);

#endif
