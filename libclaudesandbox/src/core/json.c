/* SPDX-License-Identifier: MIT */
#include "core/json.h"

#include <errno.h>

#include "core/strbuf.h"

int csb__json_parse(const char *text, size_t len, json_t **ret, csb_error **err) {
    json_error_t je;
    json_t *json;

    errno = 0;
    json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
    /* jansson calls a token for which there is no memory an invalid one, but malloc() says so. */
    if (!json && errno == ENOMEM) {
        return csb__fail_nomem(err);
    }
    if (!json) {
        return csb__fail(err, CSB_EPROTOCOL, "not JSON (line %d: %s)", je.line, je.text);
    }
    if (!json_is_object(json)) {
        json_decref(json);
        return csb__fail(err, CSB_EPROTOCOL, "not a JSON object");
    }
    *ret = json;
    return 0;
}

static int add_piece(const char *bytes, size_t len, void *data) {
    struct csb__strbuf *text = data;

    csb__strbuf_add(text, bytes, len);
    return text->failed ? -1 : 0;
}

char *csb__json_text(const json_t *json, size_t flags) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;

    if (json_dump_callback(json, add_piece, &text, flags) != 0) {
        return NULL;
    }
    return csb__strbuf_detach(&text);
}

const char *csb__json_string(const json_t *object, const char *key, const char *missing) {
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : missing;
}

int64_t csb__json_int(const json_t *object, const char *key, int64_t missing) {
    const json_t *value = json_object_get(object, key);

    return json_is_integer(value) ? json_integer_value(value) : missing;
}
