/* SPDX-License-Identifier: MIT */
/* A login that goes to a guest has neither a refresh token nor anybody else's login in it. */
#include "fuzz.h"
#include "core/json.h"
#include "guest/login.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    CSB__AUTOFREE char *text = NULL;
    CSB__AUTOJSON *json = NULL;
    csb_error *err = NULL;
    int64_t expires = 0;
    const json_t *oauth;

    if (!fuzz_good(csb__login_for_guest((const char *)data, size, &text, &expires, &err), err)) {
        MUST(!text);
        return 0;
    }
    MUST(csb__json_parse(text, strlen(text), &json, NULL) == 0 && json_object_size(json) == 1);
    oauth = json_object_get(json, "claudeAiOauth");
    MUST(*csb__json_string(oauth, "accessToken", ""));
    MUST(!json_object_get(oauth, "refreshToken"));
    MUST(expires == csb__json_int(oauth, "expiresAt", 0));
    return 0;
}
