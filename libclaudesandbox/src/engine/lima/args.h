/* SPDX-License-Identifier: MIT */
/* What limactl is told: from a checked spec to argument vectors and yq. No effects. */
#ifndef CSB_ENGINE_LIMA_ARGS_H
#define CSB_ENGINE_LIMA_ARGS_H

#include <stdbool.h>

#include "core/json.h"
#include "core/strbuf.h"
#include "engine/engine.h"

#define CSB__LIMA_MOUNTS_DIR "/mnt/claude-sandbox"

/* Where a mount appears in the guest as far as Lima knows: its own place, or one of ours when the
 * way there has characters that Lima loses on it (true then). EINVAL can't happen: `size` must
 * hold guest_path and at least 32 bytes. */
bool csb__lima_mount_point(const struct csb__mount *m, size_t index, char *out, size_t size);

/* EINVAL for a directory whose path Lima or QEMU would take for something else. */
int csb__lima_check_mounts(const struct csb__spec *spec, csb_error **err);

/* What is set in every machine's configuration, whatever its template says: a key, or two with a dot
 * between them, and a value as JSON. The last has no path. mountType, which depends on the driver,
 * is not among them. */
struct csb__lima_setting {
    const char *path;
    const char *value;
};
extern const struct csb__lima_setting csb__lima_settings[];

/* What a spec puts into "mounts" and "portForwards"; NULL when memory ran out. */
json_t *csb__lima_mounts_json(const struct csb__spec *spec);
json_t *csb__lima_forwards_json(void);
/* A size as Lima takes it: "4GiB". */
#define CSB__LIMA_SIZE_MAX 32
void csb__lima_size(uint64_t bytes, char out[CSB__LIMA_SIZE_MAX]);

/* The one yq expression that turns a template or a copy of a base into what the spec asks for.
 * To be freed; NULL when memory ran out. */
char *csb__lima_expression(const struct csb__spec *spec);

/* What follows "limactl" for each verb. */
void csb__lima_create_args(struct csb__strv *args, const struct csb__spec *spec,
                           const char *expression, const char *template_path);
void csb__lima_clone_args(struct csb__strv *args, const struct csb__spec *spec,
                          const char *expression, const char *base);
void csb__lima_edit_args(struct csb__strv *args, const struct csb__spec *spec,
                         const char *expression);
void csb__lima_start_args(struct csb__strv *args, const char *name);
void csb__lima_verb_args(struct csb__strv *args, const char *verb, const char *name);
void csb__lima_rename_args(struct csb__strv *args, const char *name, const char *new_name);
/* All of the names, or every machine when there are none. */
void csb__lima_list_args(struct csb__strv *args, const char *const *names, size_t n);
void csb__lima_config_args(struct csb__strv *args, const char *name);

#endif
