/* SPDX-License-Identifier: MIT */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/path.h"
#include "core/posix.h"
#include "model/template.h"
#include "model/vm_name.h"

#define RECORD_MAX ((size_t)256 << 10)
#define SUFFIX ".json"

static char *record_path(struct csb__env *env, const char *name) {
    char *path = NULL;

    if (asprintf(&path, "%s/vms/%s" SUFFIX, env->state_dir, name) < 0) {
        return NULL;
    }
    return path;
}

static char *template_path(struct csb__env *env, const char *name) {
    char *path = NULL;

    return asprintf(&path, "%s/provision/%s.yaml", env->state_dir, name) < 0 ? NULL : path;
}

int csb__store_load(struct csb__env *env, const char *name, struct csb__record *ret,
                    csb_error **err) {
    CSB__AUTOFREE char *path = record_path(env, name);
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    int rc;

    if (!path) {
        return csb__fail_nomem(err);
    }
    rc = csb__read_file(path, RECORD_MAX, &text);
    if (rc == ENOENT) {
        return csb__fail(err, CSB_ENOTFOUND, "there is no VM named %s", name);
    }
    if (rc != 0) {
        return csb__fail_errno(err, rc, "can't read %s", path);
    }
    rc = csb__record_parse(csb__strbuf_text(&text), text.len, ret, err);
    if (rc != 0) {
        csb__error_prepend(err, "the record %s", path);
        return rc;
    }
    if (strcmp(ret->spec.name, name) != 0) {
        csb__record_finish(ret);
        return csb__fail(err, CSB_EPROTOCOL, "the record %s is of another VM", path);
    }
    return 0;
}

int csb__store_save(struct csb__env *env, const struct csb__record *record, csb_error **err) {
    CSB__AUTOFREE char *dir = csb__path_join(env->state_dir, "vms");
    CSB__AUTOFREE char *path = record_path(env, record->spec.name);
    CSB__AUTOFREE char *text = csb__record_format(record);

    if (!dir || !path || !text) {
        return csb__fail_nomem(err);
    }
    if (csb__mkdirs(dir, err) != 0) {
        return CSB_ESYSTEM;
    }
    return csb__write_file(path, text, strlen(text), 0600, err);
}

int csb__store_remove(struct csb__env *env, const char *name, csb_error **err) {
    CSB__AUTOFREE char *path = record_path(env, name);

    if (!path) {
        return csb__fail_nomem(err);
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        return csb__fail_errno(err, errno, "can't remove %s", path);
    }
    return csb__store_save_template(env, name, NULL, err);
}

int csb__store_load_template(struct csb__env *env, const char *name, struct csb__strbuf *ret,
                             csb_error **err) {
    CSB__AUTOFREE char *path = template_path(env, name);
    int rc = path ? csb__read_file(path, CSB__TEMPLATE_BYTES, ret) : ENOMEM;

    if (rc == ENOENT) {
        return csb__fail(err, CSB_ENOTFOUND, "%s has no scripts to run", name);
    }
    return rc == 0 ? 0 : csb__fail_errno(err, rc, "can't read %s", path ? path : name);
}

int csb__store_save_template(struct csb__env *env, const char *name, const char *text,
                             csb_error **err) {
    CSB__AUTOFREE char *dir = csb__path_join(env->state_dir, "provision");
    CSB__AUTOFREE char *path = template_path(env, name);

    if (!dir || !path) {
        return csb__fail_nomem(err);
    }
    if (!text) {
        return unlink(path) == 0 || errno == ENOENT
                   ? 0
                   : csb__fail_errno(err, errno, "can't remove %s", path);
    }
    if (csb__mkdirs(dir, err) != 0) {
        return CSB_ESYSTEM;
    }
    return csb__write_file(path, text, strlen(text), 0600, err);
}

static int by_name(const void *a, const void *b) {
    const struct csb__record *x = a;
    const struct csb__record *y = b;

    return strcmp(x->spec.name, y->spec.name);
}

/* The machine's name when the entry is a record; NULL otherwise. */
static char *name_of_entry(const char *entry) {
    size_t len = strlen(entry);
    size_t end = strlen(SUFFIX);
    char *name = len > end && strcmp(entry + len - end, SUFFIX) == 0 ? strndup(entry, len - end)
                                                                     : NULL;

    if (name && !csb__vm_name_valid(name)) {
        free(name);
        name = NULL;
    }
    return name;
}

int csb__store_names(struct csb__env *env, struct csb__strv *ret, csb_error **err) {
    CSB__AUTOFREE char *path = csb__path_join(env->state_dir, "vms");
    CSB__AUTOCLOSEDIR DIR *dir = path ? opendir(path) : NULL;
    struct dirent *entry;

    if (!dir) {
        return path && errno == ENOENT
                   ? 0
                   : csb__fail_errno(err, errno, "can't read %s/vms", env->state_dir);
    }
    while ((entry = readdir(dir))) {
        CSB__AUTOFREE char *name = name_of_entry(entry->d_name);

        if (name) {
            csb__strv_add(ret, name);
        }
    }
    return ret->failed ? csb__fail_nomem(err) : 0;
}

static int append(struct csb__env *env, const char *entry, struct csb__record **list, size_t *n,
                  csb_error **err) {
    CSB__AUTOFREE char *name = name_of_entry(entry);
    CSB__AUTOERROR csb_error *e = NULL;
    struct csb__record *grown;

    if (!name) {
        return 0;
    }
    grown = realloc(*list, (*n + 1) * sizeof(*grown));
    if (!grown) {
        return csb__fail_nomem(err);
    }
    *list = grown;
    grown[*n] = (struct csb__record){0};
    if (csb__store_load(env, name, &grown[*n], &e) == 0) {
        (*n)++;
    } else {
        csb__log(env, CSB_LOG_INFO, "%s", csb_error_message(e));
    }
    return 0;
}

int csb__store_list(struct csb__env *env, struct csb__record **ret, size_t *n, csb_error **err) {
    CSB__AUTOFREE char *path = csb__path_join(env->state_dir, "vms");
    CSB__AUTOCLOSEDIR DIR *dir = path ? opendir(path) : NULL;
    struct csb__record *list = NULL;
    struct dirent *entry;
    size_t count = 0;

    *ret = NULL;
    *n = 0;
    if (!dir) {
        return errno == ENOENT ? 0
                               : csb__fail_errno(err, errno, "can't read %s/vms", env->state_dir);
    }
    while ((entry = readdir(dir))) {
        int rc = append(env, entry->d_name, &list, &count, err);

        if (rc != 0) {
            csb__store_list_free(list, count);
            return rc;
        }
    }
    if (count > 0) {
        qsort(list, count, sizeof(*list), by_name);
    }
    *ret = list;
    *n = count;
    return 0;
}

void csb__store_list_free(struct csb__record *records, size_t n) {
    for (size_t i = 0; i < n; i++) {
        csb__record_finish(&records[i]);
    }
    free(records);
}
