/* SPDX-License-Identifier: MIT */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/parallel.h"
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
    int rc;

    if (!dir || !path || !text) {
        return csb__fail_nomem(err);
    }
    rc = csb__mkdirs(dir, err);
    return rc == 0 ? csb__write_file(path, text, strlen(text), 0600, err) : rc;
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
    int rc;

    if (!dir || !path) {
        return csb__fail_nomem(err);
    }
    if (!text) {
        return unlink(path) == 0 || errno == ENOENT
                   ? 0
                   : csb__fail_errno(err, errno, "can't remove %s", path);
    }
    rc = csb__mkdirs(dir, err);
    return rc == 0 ? csb__write_file(path, text, strlen(text), 0600, err) : rc;
}

static int by_name(const void *a, const void *b) {
    const struct csb__record *x = a;
    const struct csb__record *y = b;

    return strcmp(x->spec.name, y->spec.name);
}

/* The machine's name when the entry is a record; "" otherwise. */
static void name_of_entry(const char *entry, char name[CSB__NAME_MAX + 1]) {
    size_t len = strlen(entry);
    size_t end = strlen(SUFFIX);

    name[0] = '\0';
    if (len > end && len - end <= CSB__NAME_MAX && strcmp(entry + len - end, SUFFIX) == 0) {
        snprintf(name, CSB__NAME_MAX + 1, "%.*s", (int)(len - end), entry);
    }
    if (!csb__vm_name_valid(name)) {
        name[0] = '\0';
    }
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
        char name[CSB__NAME_MAX + 1];

        name_of_entry(entry->d_name, name);
        if (*name) {
            csb__strv_add(ret, name);
        }
    }
    return ret->failed ? csb__fail_nomem(err) : 0;
}

/* Whether another look could tell more: what is there must not be taken for gone or damaged then. */
static bool is_passing(const csb_error *e) {
    int n = csb_error_errno(e);

    return csb_error_code(e) == CSB_ENOMEM || n == EMFILE || n == ENFILE || n == EIO || n == EINTR;
}

struct loads {
    struct csb__env *env;
    char **names;
    struct csb__record *records;
    csb_error **errors;
};

static void load_one(void *arg, size_t i) {
    struct loads *l = arg;

    (void)csb__store_load(l->env, l->names[i], &l->records[i], &l->errors[i]);
}

/* Those that could be read, at the front; how many in *n. */
static int keep_loaded(struct loads *l, size_t *n, csb_error **err) {
    size_t all = *n;
    int rc = 0;

    *n = 0;
    for (size_t i = 0; i < all; i++) {
        csb_error *e = l->errors[i];

        if (!e) {
            struct csb__record r = l->records[i];

            l->records[i] = (struct csb__record){0};
            l->records[(*n)++] = r;
        } else if (rc == 0 && is_passing(e)) {
            rc = csb__error_propagate(err, e);
            l->errors[i] = NULL;
        } else {
            csb__log(l->env, CSB_LOG_INFO, "%s", csb_error_message(e));
        }
        csb_error_free(l->errors[i]);
    }
    return rc;
}

int csb__store_list(struct csb__env *env, struct csb__record **ret, size_t *n, csb_error **err) {
    CSB__AUTOSTRV names = CSB__STRV_INIT;
    CSB__AUTOFREE csb_error **errors = NULL;
    struct loads l = {.env = env};
    size_t count;
    int rc = csb__store_names(env, &names, err);

    *ret = NULL;
    *n = 0;
    if (rc != 0 || names.len == 0) {
        return rc;
    }
    count = names.len;
    errors = calloc(count, sizeof(csb_error *));
    l.records = calloc(count, sizeof(*l.records));
    if (!errors || !l.records) {
        free(l.records);
        return csb__fail_nomem(err);
    }
    l.names = names.items;
    l.errors = errors;
    csb__each(count, load_one, &l);
    rc = keep_loaded(&l, &count, err);
    if (rc != 0) {
        csb__store_list_free(l.records, count);
        return rc;
    }
    qsort(l.records, count, sizeof(*l.records), by_name);
    *ret = l.records;
    *n = count;
    return 0;
}

void csb__store_list_free(struct csb__record *records, size_t n) {
    for (size_t i = 0; i < n; i++) {
        csb__record_finish(&records[i]);
    }
    free(records);
}
