/* SPDX-License-Identifier: MIT */
/* The keys of a template that every engine understands, between the files of the parser; and what
 * whoever reads YAML asks of a node. */
#ifndef CSB_MODEL_TEMPLATE_SUBSET_H
#define CSB_MODEL_TEMPLATE_SUBSET_H

#include <yaml.h>

#include "model/template.h"

/* The text of a scalar, borrowed; NULL for anything else. */
const char *csb__yaml_scalar(const yaml_node_t *node);
bool csb__yaml_is_null(const yaml_node_t *node);

/* Takes one key of the top level, or notes that it goes beyond. ENOMEM only: what is wrong with it
 * Lima knows better than we do. */
int csb__template_take_subset(struct csb__template *t, yaml_document_t *doc, const yaml_node_t *key,
                              const yaml_node_t *value, csb_error **err);

#endif
