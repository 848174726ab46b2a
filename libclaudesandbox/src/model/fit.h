/* SPDX-License-Identifier: MIT */
/* What of the sizes that a template asks for this host can bear. A template is written for one
 * machine and used on another; its sizes are a wish, those on the command line an order. */
#ifndef CSB_MODEL_FIT_H
#define CSB_MODEL_FIT_H

#include <stdint.h>

#include "core/error.h"

/* The processors to give: no more than the host has. 0 stays 0. */
int csb__fit_cpus(int wanted, int host);
/* The memory to give: the host keeps 2 GiB and a quarter of its own, whichever is more, but never
 * more than half. 0 stays 0, and where the host is unknown (0) the wish is granted. */
uint64_t csb__fit_memory(uint64_t wanted, uint64_t host);
/* EINVAL for memory that was ordered and that the host does not even have. */
int csb__fit_check(uint64_t ordered, uint64_t host, csb_error **err);

#endif
