/* SPDX-License-Identifier: MIT */
#include "engine/lima/config.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "engine/lima/args.h"
#include "model/size.h"
#include "model/template_subset.h"

#define DEPTH_MAX 8

static bool is_empty(const yaml_node_t *node) {
    return !node || csb__yaml_is_null(node) ||
           (node->type == YAML_SEQUENCE_NODE &&
            node->data.sequence.items.start == node->data.sequence.items.top);
}

static yaml_node_pair_t *find(yaml_document_t *doc, int map, const char *key) {
    yaml_node_t *node = yaml_document_get_node(doc, map);

    if (!node || node->type != YAML_MAPPING_NODE) {
        return NULL;
    }
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top;
         p++) {
        const char *text = csb__yaml_scalar(yaml_document_get_node(doc, p->key));

        if (text && strcmp(text, key) == 0) {
            return p;
        }
    }
    return NULL;
}

static yaml_node_t *get(yaml_document_t *doc, int map, const char *key) {
    const yaml_node_pair_t *p = find(doc, map, key);

    return p ? yaml_document_get_node(doc, p->value) : NULL;
}

/* The root of a document is its first node. */
static int load(const char *text, size_t len, yaml_document_t *doc, csb_error **err) {
    yaml_parser_t parser;
    const yaml_node_t *root;
    int ok;

    if (!yaml_parser_initialize(&parser)) {
        return csb__fail_nomem(err);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    ok = yaml_parser_load(&parser, doc);
    yaml_parser_delete(&parser);
    if (!ok) {
        return csb__fail(err, CSB_EPROTOCOL, "its lima.yaml can't be read");
    }
    root = yaml_document_get_root_node(doc);
    if (!root || root->type != YAML_MAPPING_NODE || find(doc, 1, "<<") || find(doc, 1, "base")) {
        yaml_document_delete(doc);
        return csb__fail(err, CSB_EPROTOCOL, "its lima.yaml does not say all by itself");
    }
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int take_size(yaml_document_t *doc, const char *key, uint64_t *ret, csb_error **err) {
    const yaml_node_t *node = get(doc, 1, key);

    if (!node || csb__yaml_is_null(node)) {
        return 0;
    }
    if (!csb__yaml_scalar(node) || csb__size_parse(csb__yaml_scalar(node), ret, NULL) != 0) {
        return csb__fail(err, CSB_EPROTOCOL, "%s is no size", key);
    }
    return 0;
}

static int take_cpus(yaml_document_t *doc, int *ret, csb_error **err) {
    const yaml_node_t *node = get(doc, 1, "cpus");
    const char *text = csb__yaml_scalar(node);
    char *end = NULL;
    long n;

    if (!node || csb__yaml_is_null(node)) {
        return 0;
    }
    n = text && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? strtol(text, &end, 10) : 0;
    if (n <= 0 || n > INT_MAX || *end != '\0') {
        return csb__fail(err, CSB_EPROTOCOL, "cpus is no number");
    }
    *ret = (int)n;
    return 0;
}

/* Other than a plain absolute path is something that Lima expands. */
static int take_locations(yaml_document_t *doc, struct csb__strv *ret, csb_error **err) {
    const yaml_node_t *node = get(doc, 1, "mounts");

    if (is_empty(node)) {
        return 0;
    }
    if (node->type != YAML_SEQUENCE_NODE) {
        return csb__fail(err, CSB_EPROTOCOL, "mounts is no list");
    }
    for (const yaml_node_item_t *i = node->data.sequence.items.start;
         i < node->data.sequence.items.top; i++) {
        const char *text = csb__yaml_scalar(get(doc, *i, "location"));

        if (!text || *text != '/' || strstr(text, "{{")) {
            return csb__fail(err, CSB_EPROTOCOL, "a location is no path");
        }
        csb__strv_add(ret, text);
    }
    return ret->failed ? csb__fail_nomem(err) : 0;
}

static int take_type(yaml_document_t *doc, char out[16], csb_error **err) {
    const yaml_node_t *node = get(doc, 1, "vmType");
    const char *text = csb__yaml_scalar(node);

    if (!node || csb__yaml_is_null(node)) {
        return 0;
    }
    if (!text || strlen(text) > 15) {
        return csb__fail(err, CSB_EPROTOCOL, "its vmType is none that is known");
    }
    snprintf(out, 16, "%s", text);
    return 0;
}

static int take_all(yaml_document_t *doc, struct csb__lima_config *c, csb_error **err) {
    int rc = take_type(doc, c->vm_type, err);

    if (rc == 0 && is_empty(get(doc, 1, "images"))) {
        rc = csb__fail(err, CSB_EPROTOCOL, "it has no images");
    }
    rc = rc == 0 ? take_cpus(doc, &c->cpus, err) : rc;
    rc = rc == 0 ? take_size(doc, "memory", &c->memory, err) : rc;
    rc = rc == 0 ? take_size(doc, "disk", &c->disk, err) : rc;
    rc = rc == 0 ? take_locations(doc, &c->locations, err) : rc;
    c->has_disks = !is_empty(get(doc, 1, "additionalDisks"));
    return rc;
}

int csb__lima_config_read(const char *text, size_t len, struct csb__lima_config *ret,
                          csb_error **err) {
    CSB__AUTOLIMACONFIG c = {.locations = CSB__STRV_INIT};
    yaml_document_t doc;
    int rc = load(text, len, &doc, err);

    if (rc != 0) {
        return rc;
    }
    rc = take_all(&doc, &c, err);
    yaml_document_delete(&doc);
    if (rc == 0) {
        *ret = c;
        c = (struct csb__lima_config){.locations = CSB__STRV_INIT};
    }
    return rc;
}

void csb__lima_config_finish(struct csb__lima_config *c) {
    csb__strv_free(&c->locations);
    *c = (struct csb__lima_config){.locations = CSB__STRV_INIT};
}

/* ---- rewriting ------------------------------------------------------------------------------- */

static int add_text(yaml_document_t *doc, const char *text, bool quoted) {
    return yaml_document_add_scalar(doc, NULL, (const yaml_char_t *)text, (int)strlen(text),
                                    quoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
                                           : YAML_PLAIN_SCALAR_STYLE);
}

static int add_value(yaml_document_t *doc, const json_t *json, int depth);

static int add_array(yaml_document_t *doc, const json_t *json, int depth) {
    int id = yaml_document_add_sequence(doc, NULL, YAML_BLOCK_SEQUENCE_STYLE);
    size_t i;
    const json_t *item;

    json_array_foreach(json, i, item) {
        int value = id ? add_value(doc, item, depth) : 0;

        id = value && yaml_document_append_sequence_item(doc, id, value) ? id : 0;
    }
    return id;
}

static int add_object(yaml_document_t *doc, const json_t *json, int depth) {
    int id = yaml_document_add_mapping(doc, NULL, YAML_BLOCK_MAPPING_STYLE);
    const char *key;
    json_t *item;

    json_object_foreach((json_t *)json, key, item) {
        int value = id ? add_value(doc, item, depth) : 0;
        int name = value ? add_text(doc, key, true) : 0;

        id = name && yaml_document_append_mapping_pair(doc, id, name, value) ? id : 0;
    }
    return id;
}

/* The node's number; 0 when memory ran out. */
static int add_value(yaml_document_t *doc, const json_t *json, int depth) {
    char number[32];

    if (depth > DEPTH_MAX) {
        return 0;
    }
    switch (json_typeof(json)) {
    case JSON_ARRAY:
        return add_array(doc, json, depth + 1);
    case JSON_OBJECT:
        return add_object(doc, json, depth + 1);
    case JSON_STRING:
        return add_text(doc, json_string_value(json), true);
    case JSON_INTEGER:
        snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(json));
        return add_text(doc, number, false);
    default:
        return add_text(doc,
                        json_is_true(json)    ? "true"
                        : json_is_false(json) ? "false"
                                              : "null",
                        false);
    }
}

static bool set_node(yaml_document_t *doc, int map, const char *key, int value) {
    yaml_node_pair_t *p = find(doc, map, key);
    int name;

    if (p) {
        p->value = value;
        return value != 0;
    }
    name = value ? add_text(doc, key, false) : 0;
    return name && yaml_document_append_mapping_pair(doc, map, name, value);
}

/* A mapping of the top level, made if there is none; 0 when memory ran out. */
static int section(yaml_document_t *doc, const char *key) {
    const yaml_node_pair_t *p = find(doc, 1, key);
    const yaml_node_t *node = p ? yaml_document_get_node(doc, p->value) : NULL;
    int id;

    if (node && node->type == YAML_MAPPING_NODE) {
        return p->value;
    }
    id = yaml_document_add_mapping(doc, NULL, YAML_BLOCK_MAPPING_STYLE);
    return set_node(doc, 1, key, id) ? id : 0;
}

/* Takes the reference; NULL means memory ran out. */
static bool set(yaml_document_t *doc, const char *path, json_t *value) {
    CSB__AUTOJSON *json = value;
    const char *dot = strchr(path, '.');
    char key[32];
    int map = 1;

    if (!json) {
        return false;
    }
    if (dot) {
        snprintf(key, sizeof(key), "%.*s", (int)(dot - path), path);
        map = section(doc, key);
    }
    return map && set_node(doc, map, dot ? dot + 1 : path, add_value(doc, json, 0));
}

static bool set_size(yaml_document_t *doc, const char *key, uint64_t bytes) {
    char text[CSB__LIMA_SIZE_MAX];

    if (bytes == 0) {
        return true;
    }
    csb__lima_size(bytes, text);
    return set(doc, key, json_string(text));
}

static bool set_all(yaml_document_t *doc, const struct csb__spec *spec) {
    bool ok = set(doc, "mounts", csb__lima_mounts_json(spec)) &&
              set(doc, "portForwards", csb__lima_forwards_json()) &&
              set(doc, "mountType", json_string("9p"));

    for (const struct csb__lima_setting *s = csb__lima_settings; ok && s->path; s++) {
        ok = set(doc, s->path, json_loads(s->value, JSON_DECODE_ANY, NULL));
    }
    ok = ok && (spec->cpus == 0 || set(doc, "cpus", json_integer(spec->cpus)));
    return ok && set_size(doc, "memory", spec->memory) && set_size(doc, "disk", spec->disk);
}

static int take_output(void *data, unsigned char *bytes, size_t len) {
    struct csb__strbuf *sb = data;

    csb__strbuf_add(sb, (const char *)bytes, len);
    return !sb->failed;
}

/* The document goes, whatever happens. Lines are left as long as they are: folded ones are where
 * readers of YAML differ. */
static char *dump(yaml_document_t *doc) {
    CSB__AUTOSTRBUF sb = CSB__STRBUF_INIT;
    yaml_emitter_t emitter;
    int ok;

    if (!yaml_emitter_initialize(&emitter)) {
        yaml_document_delete(doc);
        return NULL;
    }
    yaml_emitter_set_output(&emitter, take_output, &sb);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, -1);
    ok = yaml_emitter_dump(&emitter, doc) && yaml_emitter_close(&emitter);
    yaml_emitter_delete(&emitter);
    return ok ? csb__strbuf_detach(&sb) : NULL;
}

int csb__lima_config_edit(const char *text, size_t len, const struct csb__spec *spec, char **ret,
                          csb_error **err) {
    yaml_document_t doc;
    char *made;
    int rc = load(text, len, &doc, err);

    if (rc != 0) {
        return rc;
    }
    if (!set_all(&doc, spec)) {
        yaml_document_delete(&doc);
        return csb__fail_nomem(err);
    }
    made = dump(&doc);
    if (!made) {
        return csb__fail_nomem(err);
    }
    *ret = made;
    return 0;
}
