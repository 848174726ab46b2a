/* SPDX-License-Identifier: MIT */
/* A record that is taken can be written down, and says the same when it is read again. */
#include "fuzz.h"
#include "model/record.h"
#include "model/vm_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    CSB__AUTOFREE char *first = NULL;
    CSB__AUTOFREE char *second = NULL;
    CSB__AUTORECORD a = {0};
    CSB__AUTORECORD b = {0};
    csb_error *err = NULL;

    if (!fuzz_good(csb__record_parse((const char *)data, size, &a, &err), err)) {
        return 0;
    }
    MUST(csb__vm_name_valid(a.spec.name) && a.engine && a.engine_home);
    MUST(a.spec.n_mounts <= CSB__MOUNTS_MAX && a.spec.n_ports <= CSB__PORTS_MAX);
    MUST(csb__ports_check(a.spec.ports, a.spec.n_ports, NULL) == 0);
    for (size_t i = 0; i < a.spec.n_mounts; i++) {
        MUST(*a.spec.mounts[i].host_path == '/' && *a.spec.mounts[i].guest_path == '/');
    }
    first = csb__record_format(&a);
    MUST(first && csb__record_parse(first, strlen(first), &b, NULL) == 0);
    second = csb__record_format(&b);
    MUST(second && strcmp(first, second) == 0);
    return 0;
}
