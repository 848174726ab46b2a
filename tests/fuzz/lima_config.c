/* SPDX-License-Identifier: MIT */
/* A configuration is only good when it shares what was asked for, and nothing else. */
#include "fuzz.h"
#include "core/json.h"
#include "engine/lima/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct csb__mount mounts[] = {{(char *)"/home/u/p", (char *)"/home/u/p", true},
                                  {(char *)"/home/u/s", (char *)CSB__SETTINGS_GUEST_PATH, false}};
    struct csb__spec spec = {.mounts = mounts, .n_mounts = fuzz_byte(&data, &size) % 3};
    CSB__AUTOJSON *json = NULL;
    csb_error *err = NULL;
    size_t i;
    const json_t *m;

    if (!fuzz_good(csb__lima_check_config((const char *)data, size, &spec, &err), err)) {
        return 0;
    }
    MUST(csb__json_parse((const char *)data, size, &json, NULL) == 0);
    MUST(json_array_size(json_object_get(json, "mounts")) == spec.n_mounts);
    json_array_foreach(json_object_get(json, "mounts"), i, m) {
        const char *where = csb__json_string(m, "location", "");

        MUST(strcmp(where, "/home/u/p") == 0 || strcmp(where, "/home/u/s") == 0);
        MUST(strcmp(where, "/home/u/s") != 0 || !json_is_true(json_object_get(m, "writable")));
    }
    MUST(!json_is_true(json_object_get(json, "plain")));
    return 0;
}
