/* SPDX-License-Identifier: MIT */
#include "engine/qemu/instance.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "core/path.h"
#include "core/posix.h"
#include "model/vm_name.h"

/* What ssh appends to a control path while it makes one: a dot and 16 characters. */
#define LONGEST_SOCKET "control.0123456789abcdef"

static char *join3(const char *a, const char *b, const char *c) {
    char *path = NULL;

    return asprintf(&path, "%s/%s/%s", a, b, c) < 0 ? NULL : path;
}

bool csb__instance_paths_fit(struct csb__env *env) {
    CSB__AUTOFREE char *path = join3(env->state_dir, "run/01234567", LONGEST_SOCKET);

    return path && csb__unix_path_fits(path);
}

int csb__instance_init(struct csb__env *env, const char *name, struct csb__instance *ret,
                       csb_error **err) {
    char digits[9];

    csb__hash8(name, digits);
    ret->name = strdup(name);
    ret->dir = join3(env->state_dir, "qemu", name);
    ret->run_dir = join3(env->state_dir, "run", digits);
    return ret->name && ret->dir && ret->run_dir ? 0 : csb__fail_nomem(err);
}

char *csb__instance_path(const struct csb__instance *i, const char *name) {
    return csb__path_join(i->dir, name);
}

char *csb__instance_socket(const struct csb__instance *i, const char *name) {
    return csb__path_join(i->run_dir, name);
}

static int read_json(const struct csb__instance *i, const char *name, json_t **ret,
                     csb_error **err) {
    CSB__AUTOFREE char *path = csb__instance_path(i, name);
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    int rc = path ? csb__read_file(path, 65536, &text) : ENOMEM;

    if (rc == ENOENT) {
        return csb__fail(err, CSB_ENOTFOUND, "there is no %s", path);
    }
    if (rc != 0) {
        return csb__fail_errno(err, rc, "can't read %s", path ? path : name);
    }
    rc = csb__json_parse(csb__strbuf_text(&text), text.len, ret, err);
    if (rc != 0) {
        csb__error_prepend(err, "%s", path);
    }
    return rc;
}

/* A number within these bounds, else 0: what was damaged must not come out as another process. */
static int64_t number(const json_t *json, const char *key, int64_t max) {
    int64_t value = csb__json_int(json, key, 0);

    return value > 0 && value <= max ? value : 0;
}

int csb__instance_load_config(struct csb__instance *i, csb_error **err) {
    CSB__AUTOJSON *json = NULL;
    int rc = read_json(i, "config.json", &json, err);

    if (rc != 0) {
        return rc;
    }
    i->cpus = (int)number(json, "cpus", 256);
    i->memory = (uint64_t)number(json, "memory", INT64_MAX);
    i->disk = (uint64_t)number(json, "disk", INT64_MAX);
    i->image = strdup(csb__json_string(json, "image", ""));
    i->warm = strdup(csb__json_string(json, "warm", ""));
    i->warm_of = strdup(csb__json_string(json, "warm_of", ""));
    i->warm_disk = (uint64_t)number(json, "warm_disk", INT64_MAX);
    i->fresh = json_is_true(json_object_get(json, "fresh"));
    i->kept = json_is_true(json_object_get(json, "kept"));
    if (!i->image || !i->warm || !i->warm_of) {
        return csb__fail_nomem(err);
    }
    if (i->cpus < 1 || i->memory == 0 || i->disk == 0 || !*i->image) {
        return csb__fail(err, CSB_EPROTOCOL, "%s/config.json is damaged", i->dir);
    }
    return 0;
}

/* Absent or damaged is as never started. */
static int load_run(struct csb__instance *i, csb_error **err) {
    CSB__AUTOJSON *json = NULL;
    int rc = read_json(i, "run.json", &json, NULL);

    i->boot = strdup(rc == 0 ? csb__json_string(json, "boot", "") : "");
    i->lent = strdup(rc == 0 ? csb__json_string(json, "lent", "") : "");
    if (!i->boot || !i->lent) {
        return csb__fail_nomem(err);
    }
    if (rc == 0) {
        i->pid = (pid_t)number(json, "pid", INT_MAX);
        i->start_time = (uint64_t)number(json, "start_time", INT64_MAX);
        i->ssh_port = (int)number(json, "ssh_port", 65535);
        i->lent_at = number(json, "lent_at", INT64_MAX);
        i->ready = json_is_true(json_object_get(json, "ready"));
    }
    return 0;
}

int csb__instance_load_process(struct csb__env *env, const char *name, struct csb__instance *ret,
                               csb_error **err) {
    int rc = csb__instance_init(env, name, ret, err);

    return rc == 0 ? load_run(ret, err) : rc;
}

int csb__instance_load(struct csb__env *env, const char *name, struct csb__instance *ret,
                       csb_error **err) {
    int rc = csb__instance_load_process(env, name, ret, err);

    return rc == 0 ? csb__instance_load_config(ret, err) : rc;
}

static int save(const struct csb__instance *i, const char *name, json_t *json, csb_error **err) {
    CSB__AUTOFREE char *path = csb__instance_path(i, name);
    CSB__AUTOFREE char *text = json ? csb__json_text(json, JSON_INDENT(1)) : NULL;

    json_decref(json);
    if (!path || !text) {
        return csb__fail_nomem(err);
    }
    return csb__write_file(path, text, strlen(text), 0600, err);
}

int csb__instance_save_config(const struct csb__instance *i, csb_error **err) {
    return save(i, "config.json",
                json_pack("{s:i, s:i, s:I, s:I, s:s, s:s, s:s, s:I, s:b, s:b}", "schema", 1, "cpus",
                          i->cpus, "memory", (json_int_t)i->memory, "disk", (json_int_t)i->disk,
                          "image", i->image, "warm", i->warm ? i->warm : "", "warm_of",
                          i->warm_of ? i->warm_of : "", "warm_disk", (json_int_t)i->warm_disk,
                          "fresh", i->fresh, "kept", i->kept),
                err);
}

int csb__instance_save_run(const struct csb__instance *i, csb_error **err) {
    return save(i, "run.json",
                json_pack("{s:i, s:I, s:I, s:s, s:i, s:b, s:s, s:I}", "schema", 1, "pid",
                          (json_int_t)i->pid, "start_time", (json_int_t)i->start_time, "boot",
                          i->boot, "ssh_port", i->ssh_port, "ready", i->ready, "lent",
                          i->lent ? i->lent : "", "lent_at", (json_int_t)i->lent_at),
                err);
}

void csb__instance_finish(struct csb__instance *i) {
    free(i->name);
    free(i->dir);
    free(i->run_dir);
    free(i->image);
    free(i->warm);
    free(i->warm_of);
    free(i->boot);
    free(i->lent);
    *i = (struct csb__instance){0};
}
