/* SPDX-License-Identifier: MIT */
#include "engine/qemu/warm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/json.h"
#include "core/lock.h"
#include "core/path.h"
#include "core/posix.h"
#include "engine/qemu/warm_key.h"
#include "engine/qemu/warm_make.h"
#include "model/vm_name.h"

#define GENERATIONS_MAX 9

static void finish_paths(struct csb__warm *w) {
    free(w->dir);
    free(w->disk);
    w->dir = w->disk = NULL;
}

void csb__warm_finish(struct csb__warm *w) {
    finish_paths(w);
    *w = (struct csb__warm){0};
}

/* A base VM as it is now, by its disk: started and stopped again it is another one. */
static int tell_base(const struct csb__instance *base, char **ret, csb_error **err) {
    CSB__AUTOFREE char *disk = csb__instance_path(base, "disk.qcow2");
    struct stat st;

    if (!disk || stat(disk, &st) != 0) {
        return csb__fail_errno(err, disk ? errno : ENOMEM, "can't read the disk of %s", base->name);
    }
    if (asprintf(ret, "%s %llu %lld.%09ld %llu", base->name, (unsigned long long)st.st_ino,
                 (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                 (unsigned long long)st.st_size) < 0) {
        *ret = NULL;
        return csb__fail_nomem(err);
    }
    return 0;
}

/* ---- one that is there ------------------------------------------------------------------------ */

/* "KEY", or "KEY.2" in the place of one that was given up while machines lie on it, and so on. */
static int set_paths(struct csb__env *env, int generation, struct csb__warm *w, csb_error **err) {
    CSB__AUTOFREE char *all = csb__path_join(env->state_dir, "warm");
    char number[16] = "";

    finish_paths(w);
    if (generation > 1) {
        snprintf(number, sizeof(number), ".%d", generation);
    }
    if (!all || asprintf(&w->dir, "%s/%s%s", all, w->key, number) < 0) {
        w->dir = NULL;
        return csb__fail_nomem(err);
    }
    w->disk = csb__path_join(w->dir, "disk.qcow2");
    return w->disk ? 0 : csb__fail_nomem(err);
}

static bool can_be_woken(const char *dir) {
    CSB__AUTOFREE char *state = csb__path_join(dir, "state");

    return state && access(state, R_OK) == 0;
}

/* It is made under another name, so what is there is whole. */
static bool is_there(const struct csb__warm *w) {
    return access(w->disk, R_OK) == 0 && can_be_woken(w->dir);
}

/* The one that is there, or the place for one. */
static int find(struct csb__env *env, struct csb__warm *w, csb_error **err) {
    int place = 0;
    int rc = 0;

    for (int n = 1; rc == 0 && n <= GENERATIONS_MAX; n++) {
        rc = set_paths(env, n, w, err);
        if (rc == 0 && is_there(w)) {
            return 0;
        }
        if (rc == 0 && place == 0 && access(w->disk, F_OK) != 0) {
            place = n;
        }
    }
    if (rc == 0 && place == 0) {
        return csb__fail(err, CSB_EENGINE, "every template like it was given up");
    }
    return rc == 0 ? set_paths(env, place, w, err) : rc;
}

static int read_note(const char *dir, struct csb__instance *ret, csb_error **err) {
    CSB__AUTOFREE char *path = csb__path_join(dir, "config.json");
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTOJSON *json = NULL;
    int rc = path ? csb__read_file(path, 65536, &text) : ENOMEM;

    if (rc != 0) {
        return csb__fail_errno(err, rc, "can't read %s", path ? path : dir);
    }
    rc = csb__json_parse(csb__strbuf_text(&text), text.len, &json, err);
    if (rc == 0) {
        ret->cpus = (int)csb__json_int(json, "cpus", 0);
        ret->memory = (uint64_t)csb__json_int(json, "memory", 0);
        ret->image = strdup(csb__json_string(json, "image", ""));
        ret->warm_of = strdup(csb__json_string(json, "warm_of", ""));
        ret->warm = strdup(csb__json_string(json, "warm", ""));
        rc = ret->image && ret->warm_of && ret->warm ? 0 : csb__fail_nomem(err);
    }
    return rc;
}

char *csb__warm_below(const char *dir) {
    CSB__AUTOINSTANCE i = {0};

    return read_note(dir, &i, NULL) == 0 ? CSB__STEAL(i.warm) : NULL;
}

/* Whether its base is still what it was. */
static bool is_of_today(struct csb__env *env, const struct csb__instance *i) {
    CSB__AUTOINSTANCE base = {0};
    CSB__AUTOFREE char *now = NULL;
    char name[CSB__NAME_MAX + 1];

    snprintf(name, sizeof(name), "%.*s", (int)strcspn(i->warm_of, " "), i->warm_of);
    return csb__vm_name_valid(name) && csb__instance_load(env, name, &base, NULL) == 0 &&
           tell_base(&base, &now, NULL) == 0 && strcmp(now, i->warm_of) == 0;
}

bool csb__warm_would_serve(struct csb__env *env, const char *dir, const char *image_name) {
    CSB__AUTOINSTANCE i = {0};
    CSB__AUTOIMAGE image = {0};
    const char *slash;

    if (!can_be_woken(dir) || read_note(dir, &i, NULL) != 0 || !(slash = strrchr(i.image, '/'))) {
        return false;
    }
    if (*i.warm_of ? !is_of_today(env, &i) : strcmp(slash + 1, image_name) != 0) {
        return false;
    }
    return csb__image_load(i.image, &image, NULL) == 0 &&
           csb__warm_is_current(env, &i, &image, dir);
}

/* ---- one for a machine ------------------------------------------------------------------------ */

/* There by now. */
static int find_or_make(struct csb__env *env, const struct csb__instance *i,
                        const struct csb__image *image, const struct csb__instance *base,
                        const struct csb__source *source, struct csb__warm *ret, csb_error **err) {
    CSB__AUTOCLOSE int lock = -1;
    int rc = csb__warm_key(env, i, image, ret->key, err);

    if (rc == 0) {
        rc = find(env, ret, err);
    }
    if (rc != 0 || is_there(ret)) {
        return rc;
    }
    rc = csb__lock(env, CSB__WARM_LOCK, "making a warm template", &lock, err);
    if (rc == 0) {
        rc = find(env, ret, err);
    }
    if (rc != 0 || is_there(ret)) {
        return rc;
    }
    rc = csb__warm_make(env, i, image, base, source, ret->dir, err);
    if (rc != 0) {
        csb__error_prepend(err, "making a warm template");
    }
    return rc;
}

int csb__warm_ensure(struct csb__env *env, struct csb__instance *i, const struct csb__image *image,
                     const struct csb__instance *base, const struct csb__source *source,
                     struct csb__warm *ret, csb_error **err) {
    int rc = 0;

    free(i->warm_of);
    i->warm_of = NULL;
    if (base) {
        rc = tell_base(base, &i->warm_of, err);
    } else {
        i->warm_of = strdup("");
        rc = i->warm_of ? 0 : csb__fail_nomem(err);
    }
    if (rc == 0) {
        rc = find_or_make(env, i, image, base, source, ret, err);
    }
    if (rc == 0) {
        free(i->warm);
        i->warm = strdup(ret->dir);
        i->warm_disk = base ? base->disk : CSB__WARM_DISK;
        i->fresh = true;
        rc = i->warm ? 0 : csb__fail_nomem(err);
    }
    return rc;
}
