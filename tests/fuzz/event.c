/* SPDX-License-Identifier: MIT */
/* What we take for an event, and what its members say, is what jansson makes of it. */
#include "fuzz.h"
#include "core/json.h"
#include "hooks/event.h"

/* What jansson refuses and we let pass: halves of surrogates, \\u0000, numbers out of its range, and
 * inner members that come twice. What we refuse and it takes: more depth, and a NUL behind a number. */
static bool is_odd(const uint8_t *data, size_t size) {
    size_t n = 0;

    for (size_t i = 0; i < size; i++) {
        n += data[i] == '{' || data[i] == '[';
    }
    return n > CSB__JSON_DEPTH_MAX || memchr(data, '\0', size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    CSB__AUTOFREE char *text = fuzz_text(data, size);
    CSB__AUTOJSON *json = NULL;
    csb_error *err = NULL;
    csb_event e = {0};
    const char *key;
    const json_t *value;
    bool taken = fuzz_good(csb__event_parse("vm", text, size, &e, &err), err);
    bool theirs = csb__json_parse(text, size, &json, NULL) == 0;

    MUST(taken || !theirs || is_odd(data, size));
    json_object_foreach((taken ? json : NULL), key, value) {
        const char *own = csb_event_string(&e, key);

        MUST(own || !json_is_string(value) || json_object_size(json) > CSB__EVENT_MEMBERS_MAX);
        MUST(!own || (json_is_string(value) && strcmp(own, json_string_value(value)) == 0));
    }
    if (taken) {
        MUST(csb_event_name(&e) && strcmp(csb_event_vm(&e), "vm") == 0);
        csb__event_finish(&e);
    }
    return 0;
}
