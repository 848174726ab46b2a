/* SPDX-License-Identifier: MIT */
#include "model/port.h"

int csb__ports_check(const struct csb__port *ports, size_t n, csb_error **err) {
    if (n > CSB__PORTS_MAX) {
        return csb__fail(err, CSB_EINVAL, "more than %d ports", CSB__PORTS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        if (ports[i].host == 0 || ports[i].guest == 0) {
            return csb__fail(err, CSB_EINVAL, "0 is not a port");
        }
        for (size_t j = 0; j < i; j++) {
            if (ports[j].host == ports[i].host) {
                return csb__fail(err, CSB_EINVAL, "port %u of the host is given twice",
                                 ports[i].host);
            }
        }
    }
    return 0;
}

int csb__ports_equal(const struct csb__port *a, size_t na, const struct csb__port *b, size_t nb) {
    if (na != nb) {
        return 0;
    }
    for (size_t i = 0; i < na; i++) {
        if (a[i].host != b[i].host || a[i].guest != b[i].guest) {
            return 0;
        }
    }
    return 1;
}
