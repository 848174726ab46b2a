/* SPDX-License-Identifier: MIT */
/* What a guest says that Claude does in it. */
#include <claudesandbox/claude.h>

#include "fuzz.h"
#include "guest/activity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    csb_error *err = NULL;
    int activity = -1;

    if (fuzz_good(csb__activity_parse((const char *)data, size, &activity, &err), err)) {
        MUST(activity >= CSB_ACTIVITY_NONE && activity <= CSB_ACTIVITY_BUSY);
        MUST(memmem(data, size, "end\n", 4));
    }
    return 0;
}
