/* SPDX-License-Identifier: MIT */
#ifndef CSB_MODEL_PORT_H
#define CSB_MODEL_PORT_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define CSB__PORTS_MAX 64

struct csb__port {
    uint16_t host;
    uint16_t guest;
};

/* EINVAL for a port that is none, one of the host twice, or too many. */
int csb__ports_check(const struct csb__port *ports, size_t n, csb_error **err);
/* Whether two sets are the same, in the same order. */
int csb__ports_equal(const struct csb__port *a, size_t na, const struct csb__port *b, size_t nb);

#endif
