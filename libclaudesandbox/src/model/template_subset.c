/* SPDX-License-Identifier: MIT */
#include "model/template_subset.h"

#include <stdio.h>
#include <string.h>

const char *csb__yaml_scalar(const yaml_node_t *node) {
    return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

bool csb__yaml_is_null(const yaml_node_t *node) {
    const char *text = csb__yaml_scalar(node);

    return text && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (*text == '\0' || strcmp(text, "null") == 0 || strcmp(text, "~") == 0);
}

static bool is_false(const yaml_node_t *node) {
    const char *text = csb__yaml_scalar(node);

    return text && (strcmp(text, "false") == 0 || strcmp(text, "False") == 0);
}

static bool is_one_line(const char *text) {
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

/* Only the first is told. */
static int beyond(struct csb__template *t, const yaml_node_t *at, const char *what,
                  const char *word, csb_error **err) {
    if (t->beyond) {
        return 0;
    }
    if (asprintf(&t->beyond, "%s%s%s%.80s%s", what ? what : "", what && word ? " " : "",
                 word ? "\"" : "", word ? word : "", word ? "\"" : "") < 0) {
        t->beyond = NULL;
        return csb__fail_nomem(err);
    }
    t->beyond_line = (int)at->start_mark.line + 1;
    return 0;
}

static bool is_name(const char *text) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    static const char all[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

    return text && *text && strchr(letters, *text) && text[strspn(text, all)] == '\0';
}

static int take_pair(struct csb__template *t, struct csb__template_pair *pairs, size_t *n,
                     const yaml_node_t *key, const yaml_node_t *value, csb_error **err) {
    const char *name = csb__yaml_scalar(key);
    const char *text = csb__yaml_is_null(value) ? NULL : csb__yaml_scalar(value);
    struct csb__template_pair *pair = &pairs[*n];

    if (!is_name(name)) {
        return beyond(t, key, "the name", name ? name : "", err);
    }
    if (!text || strlen(text) > CSB__TEMPLATE_VALUE_BYTES || !is_one_line(text)) {
        return beyond(t, key, "the value of", name, err);
    }
    if (*n >= CSB__TEMPLATE_PAIRS_MAX) {
        return beyond(t, key, "so many values", NULL, err);
    }
    pair->name = strdup(name);
    pair->value = strdup(text);
    (*n)++;
    return pair->name && pair->value ? 0 : csb__fail_nomem(err);
}

/* param and env: names and values. */
static int take_pairs(struct csb__template *t, yaml_document_t *doc, const yaml_node_t *node,
                      struct csb__template_pair **pairs, size_t *n, csb_error **err) {
    int rc = 0;

    if (csb__yaml_is_null(node)) {
        return 0;
    }
    if (node->type != YAML_MAPPING_NODE) {
        return beyond(t, node, "what is no list of names and values", NULL, err);
    }
    *pairs = calloc(CSB__TEMPLATE_PAIRS_MAX, sizeof(**pairs));
    if (!*pairs) {
        return csb__fail_nomem(err);
    }
    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
         rc == 0 && p < node->data.mapping.pairs.top; p++) {
        rc = take_pair(t, *pairs, n, yaml_document_get_node(doc, p->key),
                       yaml_document_get_node(doc, p->value), err);
    }
    return rc;
}

static int add_script(struct csb__template *t, const yaml_node_t *item, bool as_user,
                      const char *text, csb_error **err) {
    struct csb__template_script *script = &t->scripts[t->n_scripts];

    if (!text || !*text) {
        return beyond(t, item, "a provision without a script", NULL, err);
    }
    if (t->n_scripts >= CSB__TEMPLATE_SCRIPTS_MAX || strlen(text) > CSB__TEMPLATE_SCRIPT_BYTES) {
        return beyond(t, item, "so many or so long scripts", NULL, err);
    }
    /* Lima fills something in there. */
    if (strstr(text, "{{")) {
        return beyond(t, item, "a script with", "{{", err);
    }
    script->as_user = as_user;
    script->line = (int)item->start_mark.line + 1;
    script->text = strdup(text);
    t->n_scripts++;
    return script->text ? 0 : csb__fail_nomem(err);
}

static int take_script(struct csb__template *t, yaml_document_t *doc, const yaml_node_t *item,
                       csb_error **err) {
    const char *mode = "system";
    const char *text = NULL;

    if (item->type != YAML_MAPPING_NODE) {
        return beyond(t, item, "a provision without a script", NULL, err);
    }
    for (const yaml_node_pair_t *p = item->data.mapping.pairs.start;
         p < item->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = yaml_document_get_node(doc, p->key);
        const char *name = csb__yaml_scalar(key);
        const char *value = csb__yaml_scalar(yaml_document_get_node(doc, p->value));

        if (name && value && strcmp(name, "mode") == 0) {
            mode = value;
        } else if (name && value && strcmp(name, "script") == 0) {
            text = value;
        } else {
            return beyond(t, key, "a provision with", name ? name : "", err);
        }
    }
    if (strcmp(mode, "system") != 0 && strcmp(mode, "user") != 0) {
        return beyond(t, item, "a provision of the mode", mode, err);
    }
    return add_script(t, item, strcmp(mode, "user") == 0, text, err);
}

static int take_scripts(struct csb__template *t, yaml_document_t *doc, const yaml_node_t *node,
                        csb_error **err) {
    int rc = 0;

    if (csb__yaml_is_null(node)) {
        return 0;
    }
    if (node->type != YAML_SEQUENCE_NODE) {
        return beyond(t, node, "what is no list of provisions", NULL, err);
    }
    t->scripts = calloc(CSB__TEMPLATE_SCRIPTS_MAX, sizeof(*t->scripts));
    if (!t->scripts) {
        return csb__fail_nomem(err);
    }
    for (const yaml_node_item_t *i = node->data.sequence.items.start;
         rc == 0 && i < node->data.sequence.items.top; i++) {
        rc = take_script(t, doc, yaml_document_get_node(doc, *i), err);
    }
    return rc;
}

/* A base that is an image only; others bring scripts and more. */
static int take_base(struct csb__template *t, const yaml_node_t *node, csb_error **err) {
    const char *text = csb__yaml_scalar(node);

    t->names_image = true;
    if (text && (strncmp(text, "template:_images/", 17) == 0 ||
                 strncmp(text, "template://_images/", 19) == 0)) {
        return 0;
    }
    return beyond(t, node, "the base", text ? text : "", err);
}

static bool is_off(yaml_document_t *doc, const yaml_node_t *node) {
    if (node->type != YAML_MAPPING_NODE) {
        return csb__yaml_is_null(node);
    }
    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
         p < node->data.mapping.pairs.top; p++) {
        if (!is_false(yaml_document_get_node(doc, p->value))) {
            return false;
        }
    }
    return true;
}

static bool is_empty(const yaml_node_t *node) {
    return csb__yaml_is_null(node) ||
           (node->type == YAML_SEQUENCE_NODE &&
            node->data.sequence.items.start == node->data.sequence.items.top);
}

/* Said elsewhere, of no consequence here, or only for people. A start waits for the scripts anyway,
 * which is what probes are for. */
static bool needs_nothing(const char *name) {
    static const char *const names[] = {"cpus",    "memory", "disk", "minimumLimaVersion",
                                        "message", "probes", NULL};

    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

int csb__template_take_subset(struct csb__template *t, yaml_document_t *doc, const yaml_node_t *key,
                              const yaml_node_t *value, csb_error **err) {
    const char *name = csb__yaml_scalar(key);

    if (strcmp(name, "param") == 0) {
        return take_pairs(t, doc, value, &t->params, &t->n_params, err);
    }
    if (strcmp(name, "env") == 0) {
        return take_pairs(t, doc, value, &t->env, &t->n_env, err);
    }
    if (strcmp(name, "provision") == 0) {
        return take_scripts(t, doc, value, err);
    }
    if (strcmp(name, "base") == 0) {
        return take_base(t, value, err);
    }
    if (strcmp(name, "images") == 0) {
        t->names_image = true;
        return 0;
    }
    if (needs_nothing(name) || (strcmp(name, "containerd") == 0 && is_off(doc, value)) ||
        (strcmp(name, "mounts") == 0 && is_empty(value))) {
        return 0;
    }
    return beyond(t, key, NULL, name, err);
}
