/* SPDX-License-Identifier: MIT */
/* A guest's mountinfo: it is only good when all that was asked for is there. */
#include "fuzz.h"
#include "guest/mounts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct csb__engine engine = {.name = "none"};
    struct csb__mount mounts[] = {{(char *)"/p", (char *)"/home/u/p", true},
                                  {(char *)"/s", (char *)CSB__SETTINGS_GUEST_PATH, false}};
    struct csb__spec spec = {.mounts = mounts, .n_mounts = 2};
    CSB__AUTOFREE char *text = fuzz_text(data, size);
    csb_error *err = NULL;

    if (fuzz_good(csb__mounts_check(text, &engine, &spec, &err), err)) {
        MUST(strstr(text, " - ") && strstr(text, "rw"));
        MUST(strstr(text, "9p") || strstr(text, "virtiofs") || strstr(text, "sshfs"));
    }
    return 0;
}
