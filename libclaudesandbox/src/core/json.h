/* SPDX-License-Identifier: MIT */
/* jansson, with our errors and our limits. */
#ifndef CSB_CORE_JSON_H
#define CSB_CORE_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "core/error.h"

static inline void csb__cleanup_json(json_t **json) {
    json_decref(*json);
}
#define CSB__AUTOJSON CSB__CLEANUP(csb__cleanup_json) json_t

/* An object from text; EPROTOCOL names the line and what is wrong. */
int csb__json_parse(const char *text, size_t len, json_t **ret, csb_error **err);
/* json_dumps(), which leaves keys out of its text when memory runs out, and fails not (jansson 2.14:
 * do_dump() in dump.c looks at no result of dump_string() for a key). NULL when memory runs out. */
char *csb__json_text(const json_t *json, size_t flags);
/* The member's text, or `missing` where it is no string. Borrowed. */
const char *csb__json_string(const json_t *object, const char *key, const char *missing);
/* The member's value, or `missing` where it is no integer. */
int64_t csb__json_int(const json_t *object, const char *key, int64_t missing);

#endif
