/* SPDX-License-Identifier: MIT */
#include "model/fit.h"

#define GIB (UINT64_C(1) << 30)

int csb__fit_cpus(int wanted, int host) {
    return host > 0 && wanted > host ? host : wanted;
}

uint64_t csb__fit_memory(uint64_t wanted, uint64_t host) {
    uint64_t keep = host / 4 > 2 * GIB ? host / 4 : 2 * GIB;
    uint64_t most;

    if (host == 0) {
        return wanted;
    }
    keep = keep > host / 2 ? host / 2 : keep;
    most = (host - keep) >> 20 << 20;
    return wanted > most ? most : wanted;
}

int csb__fit_check(uint64_t ordered, uint64_t host, csb_error **err) {
    if (host == 0 || ordered <= host) {
        return 0;
    }
    return csb__fail(err, CSB_EINVAL, "the memory can't be more than this machine has, %lluMiB",
                     (unsigned long long)(host >> 20));
}
