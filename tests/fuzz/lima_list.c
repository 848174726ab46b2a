/* SPDX-License-Identifier: MIT */
#include "fuzz.h"
#include "engine/lima/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    CSB__AUTOLIMALIST list = {NULL, 0};
    csb_error *err = NULL;
    int state = csb__lima_parse_events((const char *)data, size);

    MUST(state >= CSB__LIMA_NO_EVENTS && state <= CSB__LIMA_EXITING);
    if (!fuzz_good(csb__lima_parse_list((const char *)data, size, &list, &err), err)) {
        MUST(!list.items && list.n == 0);
        return 0;
    }
    MUST(list.n <= CSB__LIMA_RECORDS_MAX);
    for (size_t i = 0; i < list.n; i++) {
        const struct csb__lima_record *r = &list.items[i];

        MUST(*r->name && !strchr(r->name, '/') && r->status && r->vm_type && r->cpus >= 0);
        MUST(!r->errors || (!strchr(r->errors, '\n') && strlen(r->errors) < 8192));
        MUST(csb__lima_list_find(&list, r->name));
    }
    return 0;
}
