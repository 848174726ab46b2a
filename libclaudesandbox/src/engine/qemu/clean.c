/* SPDX-License-Identifier: MIT */
/* What lies in the engine's directories and belongs to nobody. Each thing is decided on by itself,
 * with the lock that whoever makes such a thing holds; in doubt it stays. */
#include "engine/qemu/clean.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/json.h"
#include "core/lock.h"
#include "core/path.h"
#include "engine/qemu/image.h"
#include "engine/qemu/instance.h"
#include "engine/qemu/make.h"
#include "engine/qemu/process.h"
#include "engine/qemu/warm.h"
#include "model/vm_name.h"

#define HEX "0123456789abcdef"

static bool has(const struct csb__strv *list, const char *text) {
    for (size_t i = 0; i < list->len; i++) {
        if (strcmp(list->items[i], text) == 0) {
            return true;
        }
    }
    return false;
}

/* The directories in a directory of ours, links to some not among them. */
static int list_dirs(struct csb__env *env, const char *name, struct csb__strv *ret,
                     csb_error **err) {
    CSB__AUTOFREE char *path = csb__path_join(env->state_dir, name);
    CSB__AUTOCLOSEDIR DIR *dir = path ? opendir(path) : NULL;
    struct dirent *entry;

    if (!dir) {
        return path && errno == ENOENT
                   ? 0
                   : csb__fail_errno(err, errno, "can't read %s/%s", env->state_dir, name);
    }
    while ((entry = readdir(dir))) {
        struct stat st;

        if (entry->d_name[0] != '.' &&
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(st.st_mode)) {
            csb__strv_add(ret, entry->d_name);
        }
    }
    return ret->failed ? csb__fail_nomem(err) : 0;
}

static void remove_found(const struct csb__clean *clean, const char *what, const char *path) {
    CSB__AUTOERROR csb_error *e = NULL;
    uint64_t bytes = csb__tree_bytes(path);

    if (!clean->dry_run) {
        (void)csb__remove_tree(path, &e);
    }
    clean->found(clean, what, path, bytes, e);
}

/* ---- machines without a record ---------------------------------------------------------------- */

/* With its lock, so that nobody is making or deleting it. */
static int clean_machine(struct csb__env *env, const struct csb__clean *clean, const char *name,
                         csb_error **err) {
    CSB__AUTOINSTANCE i = {0};
    CSB__AUTOSTRV records = CSB__STRV_INIT;
    CSB__AUTOCLOSE int lock = -1;
    CSB__AUTOERROR csb_error *e = NULL;
    uint64_t bytes;
    int rc;

    if (csb__lock_try(env, name, &lock, NULL) != 0) {
        return 0;
    }
    rc = clean->names(env, &records, err);
    if (rc == 0) {
        rc = csb__instance_init(env, name, &i, err);
    }
    if (rc != 0 || has(&records, name)) {
        return rc;
    }
    bytes = csb__tree_bytes(i.dir);
    if (!clean->dry_run) {
        (void)csb__qemu_remove(env, name, "", &e);
    }
    clean->found(clean, "a disk without a record", i.dir, bytes, e);
    return 0;
}

static int clean_machines(struct csb__env *env, const struct csb__clean *clean, csb_error **err) {
    CSB__AUTOSTRV dirs = CSB__STRV_INIT;
    CSB__AUTOSTRV records = CSB__STRV_INIT;
    int rc = list_dirs(env, "qemu", &dirs, err);

    if (rc == 0) {
        rc = clean->names(env, &records, err);
    }
    for (size_t i = 0; rc == 0 && i < dirs.len; i++) {
        if (csb__vm_name_valid(dirs.items[i]) && !has(&records, dirs.items[i])) {
            rc = clean_machine(env, clean, dirs.items[i], err);
        }
    }
    return rc;
}

/* ---- directories for sockets ------------------------------------------------------------------ */

static int add_hashes(struct csb__strv *hashes, const struct csb__strv *names, csb_error **err) {
    for (size_t i = 0; i < names->len; i++) {
        char digits[9];

        csb__hash8(names->items[i], digits);
        csb__strv_add(hashes, digits);
    }
    return hashes->failed ? csb__fail_nomem(err) : 0;
}

/* They are listed before the names: whose directory is there had a record by then, since that is
 * written first and goes last. */
static int clean_run_dirs(struct csb__env *env, const struct csb__clean *clean, csb_error **err) {
    CSB__AUTOSTRV dirs = CSB__STRV_INIT;
    CSB__AUTOSTRV names = CSB__STRV_INIT;
    CSB__AUTOSTRV used = CSB__STRV_INIT;
    int rc = list_dirs(env, "run", &dirs, err);

    if (rc == 0) {
        rc = clean->names(env, &names, err);
    }
    if (rc == 0) {
        rc = list_dirs(env, "qemu", &names, err);
    }
    if (rc == 0) {
        rc = add_hashes(&used, &names, err);
    }
    for (size_t i = 0; rc == 0 && i < dirs.len; i++) {
        const char *name = dirs.items[i];
        CSB__AUTOFREE char *path = NULL;

        if (strlen(name) != 8 || strspn(name, HEX) != 8 || has(&used, name)) {
            continue;
        }
        if (asprintf(&path, "%s/run/%s", env->state_dir, name) < 0) {
            path = NULL;
            return csb__fail_nomem(err);
        }
        remove_found(clean, "a directory for sockets of no VM", path);
    }
    return rc;
}

/* ---- what machines lie on --------------------------------------------------------------------- */

static void add_base_name(struct csb__strv *ret, const char *path) {
    const char *slash = strrchr(path, '/');

    csb__strv_add(ret, slash ? slash + 1 : path);
}

/* What all machines lie on, images and warm templates, by their directories' names. */
static int used_bases(struct csb__env *env, struct csb__strv *images, struct csb__strv *warm,
                      csb_error **err) {
    CSB__AUTOSTRV names = CSB__STRV_INIT;
    int rc = list_dirs(env, "qemu", &names, err);

    for (size_t i = 0; rc == 0 && i < names.len; i++) {
        CSB__AUTOINSTANCE instance = {0};

        rc = csb__instance_load(env, names.items[i], &instance, err);
        if (rc == 0) {
            add_base_name(images, instance.image);
            add_base_name(warm, instance.warm);
        }
    }
    return rc != 0 ? rc : images->failed || warm->failed ? csb__fail_nomem(err) : 0;
}

/* Templates on which others lie; of those that go now, the next time. */
static int add_below(struct csb__env *env, const struct csb__strv *dirs, struct csb__strv *used,
                     csb_error **err) {
    for (size_t i = 0; i < dirs->len; i++) {
        CSB__AUTOFREE char *path = NULL;
        CSB__AUTOFREE char *below = NULL;

        if (asprintf(&path, "%s/warm/%s", env->state_dir, dirs->items[i]) < 0) {
            path = NULL;
            return csb__fail_nomem(err);
        }
        below = csb__warm_below(path);
        if (below && *below) {
            add_base_name(used, below);
        }
    }
    return used->failed ? csb__fail_nomem(err) : 0;
}

/* ---- warm templates --------------------------------------------------------------------------- */

/* "KEY" or "KEY.2", or what is left of one who died over it, with ".tmp" behind it. */
static bool is_template(const char *name) {
    size_t n = strspn(name, HEX);

    if (n != 16) {
        return false;
    }
    name += n;
    name += *name == '.' && name[1] >= '2' && name[1] <= '9' ? 2 : 0;
    return *name == '\0' || strcmp(name, ".tmp") == 0;
}

static bool is_whole(const char *name) {
    return !strstr(name, ".tmp");
}

/* One that a machine lies on stays, and one that the next machine would be woken from. */
static bool is_wanted(struct csb__env *env, const char *path, const char *name,
                      const struct csb__strv *used, const char *current_image) {
    return has(used, name) || (is_whole(name) && csb__warm_would_serve(env, path, current_image));
}

/* Who made it has died, and its machine may live. */
static void end_template(struct csb__env *env, char *path) {
    struct csb__instance i = {.dir = path};

    if (csb__qemu_find(&i)) {
        (void)csb__qemu_kill(env, &i, NULL);
    }
    free(i.boot);
}

/* With the lock of those who make them, and before the images, on which they lie. */
static int clean_templates(struct csb__env *env, const struct csb__clean *clean,
                           struct csb__strv *used, csb_error **err) {
    CSB__AUTOSTRV dirs = CSB__STRV_INIT;
    CSB__AUTOCLOSE int lock = -1;
    char current[65] = "";
    int rc = list_dirs(env, "warm", &dirs, err);

    if (rc != 0 || dirs.len == 0 || csb__lock_try(env, CSB__WARM_LOCK, &lock, NULL) != 0) {
        return rc;
    }
    rc = add_below(env, &dirs, used, err);
    if (rc == 0) {
        rc = csb__image_current(env, current, err);
    }
    for (size_t i = 0; rc == 0 && i < dirs.len; i++) {
        CSB__AUTOFREE char *path = NULL;

        if (asprintf(&path, "%s/warm/%s", env->state_dir, dirs.items[i]) < 0) {
            path = NULL;
            return csb__fail_nomem(err);
        }
        current[16] = '\0';
        if (is_template(dirs.items[i]) && !is_wanted(env, path, dirs.items[i], used, current)) {
            if (!clean->dry_run) {
                end_template(env, path);
            }
            remove_found(clean, "a warm template that nothing uses", path);
        }
    }
    return rc;
}

/* ---- images ----------------------------------------------------------------------------------- */

/* "HASH", or what a killed recipe left of it, "HASH.tmp-PID". */
static bool is_image(const char *name) {
    size_t n = strspn(name, HEX);

    return n == 16 && (name[n] == '\0' || strncmp(name + n, ".tmp-", 5) == 0);
}

static void clean_image(struct csb__env *env, const struct csb__clean *clean, const char *name) {
    CSB__AUTOFREE char *path = NULL;
    CSB__AUTOFREE char *log = NULL;

    if (asprintf(&path, "%s/images/%s", env->state_dir, name) < 0) {
        path = NULL;
        return;
    }
    remove_found(clean, name[16] ? "what is left of making an image" : "an image that nothing uses",
                 path);
    if (!clean->dry_run && asprintf(&log, "%s.log", path) >= 0) {
        (void)unlink(log);
    }
}

/* Asking for today's recipe starts a program, so only where there is something to decide. */
static int clean_candidates(struct csb__env *env, const struct csb__clean *clean,
                            const struct csb__strv *images, const struct csb__strv *used,
                            csb_error **err) {
    char current[65] = "";

    for (size_t i = 0; i < images->len; i++) {
        const char *name = images->items[i];

        if (!is_image(name) || has(used, name)) {
            continue;
        }
        if (!*current && csb__image_current(env, current, err) != 0) {
            return csb_error_code(*err);
        }
        if (strncmp(current, name, 16) != 0 || name[16]) {
            clean_image(env, clean, name);
        }
    }
    return 0;
}

/* With the lock of those who make images. What can't be told to be unused stays. */
static int clean_bases(struct csb__env *env, const struct csb__clean *clean, csb_error **err) {
    CSB__AUTOSTRV images = CSB__STRV_INIT;
    CSB__AUTOSTRV used = CSB__STRV_INIT;
    CSB__AUTOSTRV warm = CSB__STRV_INIT;
    CSB__AUTOCLOSE int lock = -1;
    CSB__AUTOERROR csb_error *e = NULL;
    int rc = list_dirs(env, "images", &images, err);

    if (rc != 0 || images.len == 0 || csb__lock_try(env, CSB__IMAGE_LOCK, &lock, NULL) != 0 ||
        clean->somebody_makes(env)) {
        return rc;
    }
    rc = used_bases(env, &used, &warm, &e);
    if (rc == 0) {
        rc = clean_templates(env, clean, &warm, &e);
    }
    if (rc == 0) {
        rc = clean_candidates(env, clean, &images, &used, &e);
    }
    if (rc == CSB_ECANCELED || rc == CSB_ETIMEOUT || rc == CSB_ENOMEM) {
        return csb__error_propagate(err, CSB__STEAL(e));
    }
    if (rc != 0) {
        csb__log(env, CSB_LOG_INFO, "no image or template is removed: %s", csb_error_message(e));
    }
    return 0;
}

int csb__qemu_clean(struct csb__env *env, const struct csb__clean *clean, csb_error **err) {
    int rc = clean_machines(env, clean, err);

    if (rc == 0) {
        rc = clean_run_dirs(env, clean, err);
    }
    return rc == 0 ? clean_bases(env, clean, err) : rc;
}
