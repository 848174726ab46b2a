/* SPDX-License-Identifier: MIT */
#include "model/template.h"

#include <stdbool.h>
#include <string.h>
#include <yaml.h>

#include "model/size.h"
#include "model/template_subset.h"

static int fail_at(csb_error **err, const char *name, yaml_mark_t mark, const char *what) {
    return csb__fail(err, CSB_EINVAL, "%s:%zu:%zu: %s", name, mark.line + 1, mark.column + 1, what);
}

static int take_cpus(struct csb__template *t, const char *text) {
    char *end = NULL;
    long n = text ? strtol(text, &end, 10) : 0;

    if (!text || *text < '0' || *text > '9' || *end || n < 1 || n > 256) {
        return CSB_EINVAL;
    }
    t->cpus = (int)n;
    return 0;
}

/* The values we use ourselves, checked here so that the message can say where they stand. */
static int take_value(struct csb__template *t, const char *key, const yaml_node_t *value,
                      const char *name, csb_error **err) {
    const char *text = csb__yaml_scalar(value);
    int rc = 0;

    if (csb__yaml_is_null(value)) {
        return 0;
    }
    if (strcmp(key, "cpus") == 0) {
        rc = take_cpus(t, text);
    } else if (strcmp(key, "memory") == 0) {
        rc = text ? csb__size_parse(text, &t->memory, NULL) : CSB_EINVAL;
    } else if (strcmp(key, "disk") == 0) {
        rc = text ? csb__size_parse(text, &t->disk, NULL) : CSB_EINVAL;
    }
    if (rc != 0) {
        return fail_at(err, name, value->start_mark,
                       strcmp(key, "cpus") == 0 ? "cpus must be a whole number from 1"
                                                : "not a size such as 4GiB");
    }
    return 0;
}

static int take_key(struct csb__template *t, yaml_document_t *doc, const yaml_node_pair_t *pair,
                    const char *name, csb_error **err) {
    const yaml_node_t *key = yaml_document_get_node(doc, pair->key);
    const yaml_node_t *value = yaml_document_get_node(doc, pair->value);
    const char *text = csb__yaml_scalar(key);
    struct csb__template_key *k;
    int rc;

    if (!text) {
        return fail_at(err, name, key->start_mark, "a key must be a word");
    }
    if (t->n_keys >= CSB__TEMPLATE_KEYS_MAX) {
        return fail_at(err, name, key->start_mark, "too many keys");
    }
    for (size_t i = 0; i < t->n_keys; i++) {
        if (strcmp(t->keys[i].name, text) == 0) {
            return fail_at(err, name, key->start_mark, "the same key a second time");
        }
    }
    k = &t->keys[t->n_keys];
    k->name = strdup(text);
    if (!k->name) {
        return csb__fail_nomem(err);
    }
    k->line = (int)key->start_mark.line + 1;
    t->n_keys++;
    rc = take_value(t, text, value, name, err);
    return rc == 0 ? csb__template_take_subset(t, doc, key, value, err) : rc;
}

static int take_document(struct csb__template *t, yaml_document_t *doc, const char *name,
                         csb_error **err) {
    const yaml_node_t *root = yaml_document_get_root_node(doc);
    int rc = 0;

    if (!root || root->type != YAML_MAPPING_NODE) {
        yaml_mark_t start = {0, 0, 0};

        return fail_at(err, name, root ? root->start_mark : start, "not a YAML mapping");
    }
    t->keys = calloc(CSB__TEMPLATE_KEYS_MAX, sizeof(*t->keys));
    if (!t->keys) {
        return csb__fail_nomem(err);
    }
    for (const yaml_node_pair_t *p = root->data.mapping.pairs.start;
         rc == 0 && p < root->data.mapping.pairs.top; p++) {
        rc = take_key(t, doc, p, name, err);
    }
    return rc;
}

static int load(yaml_parser_t *parser, struct csb__template *t, const char *name, csb_error **err) {
    yaml_document_t doc;
    int rc;

    if (!yaml_parser_load(parser, &doc)) {
        yaml_mark_t mark = parser->problem_mark;

        if (parser->error == YAML_MEMORY_ERROR) {
            return csb__fail_nomem(err);
        }
        return fail_at(err, name, mark, parser->problem ? parser->problem : "not YAML");
    }
    rc = take_document(t, &doc, name, err);
    yaml_document_delete(&doc);
    return rc;
}

int csb__template_parse(const char *text, size_t len, const char *name, struct csb__template *ret,
                        csb_error **err) {
    CSB__AUTOTEMPLATE t = {0};
    yaml_parser_t parser;
    int rc;

    if (!yaml_parser_initialize(&parser)) {
        return csb__fail_nomem(err);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    rc = load(&parser, &t, name, err);
    yaml_parser_delete(&parser);
    if (rc == 0) {
        *ret = t;
        t = (struct csb__template){0};
    }
    return rc;
}

static void finish_pairs(struct csb__template_pair *pairs, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(pairs[i].name);
        free(pairs[i].value);
    }
    free(pairs);
}

void csb__template_finish(struct csb__template *t) {
    for (size_t i = 0; i < t->n_keys; i++) {
        free(t->keys[i].name);
    }
    free(t->keys);
    finish_pairs(t->params, t->n_params);
    finish_pairs(t->env, t->n_env);
    for (size_t i = 0; i < t->n_scripts; i++) {
        free(t->scripts[i].text);
    }
    free(t->scripts);
    free(t->beyond);
    *t = (struct csb__template){0};
}
