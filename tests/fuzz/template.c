/* SPDX-License-Identifier: MIT */
/* A template of the user's. */
#include "fuzz.h"
#include "guest/script.h"
#include "model/template.h"

static void check_pairs(const struct csb__template_pair *pairs, size_t n) {
    MUST(n <= CSB__TEMPLATE_PAIRS_MAX);
    for (size_t i = 0; i < n; i++) {
        char entry[8192];

        MUST(strlen(pairs[i].value) <= CSB__TEMPLATE_VALUE_BYTES);
        snprintf(entry, sizeof(entry), "%s=", pairs[i].name);
        MUST(csb__env_entry_valid(entry));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    CSB__AUTOTEMPLATE t = {0};
    csb_error *err = NULL;

    if (!fuzz_good(csb__template_parse((const char *)data, size, "t.yaml", &t, &err), err)) {
        MUST(!t.keys && !t.scripts);
        return 0;
    }
    MUST(t.cpus >= 0 && t.n_keys <= CSB__TEMPLATE_KEYS_MAX);
    MUST(t.n_scripts <= CSB__TEMPLATE_SCRIPTS_MAX);
    check_pairs(t.params, t.n_params);
    check_pairs(t.env, t.n_env);
    for (size_t i = 0; i < t.n_scripts; i++) {
        MUST(t.scripts[i].text && strlen(t.scripts[i].text) <= CSB__TEMPLATE_SCRIPT_BYTES);
    }
    return 0;
}
