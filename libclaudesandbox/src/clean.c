/* SPDX-License-Identifier: MIT */
/* What belongs to no machine any more: found, told, and unless that is all, removed. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/lock.h"
#include "store.h"
#include "vm.h"
#include "vm_rename.h"

#define CLEAN_TIMEOUT_MS (10 * 60 * 1000)

struct listener {
    csb_clean_fn fn;
    void *userdata;
};

static void tell(const struct csb__clean *clean, const char *what, const char *path, uint64_t bytes,
                 const csb_error *failure) {
    const struct listener *l = clean->userdata;

    if (l->fn) {
        l->fn(what, path, bytes, failure, l->userdata);
    }
}

static bool somebody_makes(struct csb__env *env) {
    struct csb__record *list = NULL;
    bool makes = false;
    size_t n = 0;

    if (csb__store_list(env, &list, &n, NULL) != 0) {
        return true; /* in doubt */
    }
    for (size_t i = 0; i < n; i++) {
        makes = makes || (!list[i].complete && csb__lock_is_held(env, list[i].spec.name));
    }
    csb__store_list_free(list, n);
    return makes;
}

/* A home that is not there may be on a disk that is not mounted now, and its machines with it. */
static bool home_is_there(const struct csb__record *r) {
    struct stat st;

    return !*r->engine_home || (stat(r->engine_home, &st) == 0 && S_ISDIR(st.st_mode));
}

/* With its lock: what it is if it is nothing any more, else NULL. */
static const char *left_by(struct csb__env *env, const struct csb__engine *engine,
                           const struct csb__record *r, struct csb__machine *m) {
    int rc = engine->inspect(env, r->spec.name, r->engine_home, m, NULL);

    if (!r->complete) {
        return "what is left of an interrupted creation";
    }
    return rc == CSB_ENOTFOUND && home_is_there(r) ? "a record of a VM that is gone" : NULL;
}

static int remove_record(struct csb__env *env, const struct csb__engine *engine,
                         const struct csb__record *r, csb_error **err) {
    int rc = engine->remove(env, r->spec.name, r->engine_home, err);

    return rc == 0 ? csb__store_remove(env, r->spec.name, err) : rc;
}

/* Looked at anew with the machine's lock; whoever has that knows what he does. */
static int clean_record(struct csb__env *env, const struct csb__clean *clean, const char *name,
                        csb_error **err) {
    CSB__AUTORECORD r = {0};
    CSB__AUTOMACHINE m = {0};
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOFREE char *path = NULL;
    CSB__AUTOCLOSE int lock = -1;
    const struct csb__engine *engine;
    const char *what;

    if (csb__lock_try(env, name, &lock, NULL) != 0 || csb__store_load(env, name, &r, NULL) != 0) {
        return 0;
    }
    engine = csb__engine_by_name(r.engine);
    what = engine ? left_by(env, engine, &r, &m) : NULL;
    if (!what) {
        return 0;
    }
    if (asprintf(&path, "%s/vms/%s.json", env->state_dir, name) < 0) {
        path = NULL;
        return csb__fail_nomem(err);
    }
    if (!clean->dry_run) {
        (void)remove_record(env, engine, &r, &e);
    }
    tell(clean, what, path, m.disk_used, e);
    return 0;
}

static int clean_records(struct csb__env *env, const struct csb__clean *clean,
                         const csb_vm_list *list, csb_error **err) {
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < csb_vm_list_count(list); i++) {
        const csb_vm *vm = csb_vm_list_get(list, i);

        if (vm->gone || !vm->record.complete) {
            rc = clean_record(env, clean, csb_vm_name(vm), err);
        }
        if (rc == 0) {
            rc = csb__env_check(env, "cleaning up", err);
        }
    }
    return rc;
}

int csb_ctx_clean(csb_ctx *ctx, unsigned flags, csb_clean_fn fn, void *userdata, csb_error **err) {
    struct listener listener = {fn, userdata};
    struct csb__clean clean = {.dry_run = flags & CSB_CLEAN_DRY_RUN,
                               .names = csb__store_names,
                               .somebody_makes = somebody_makes,
                               .found = tell,
                               .userdata = &listener};
    const struct csb__engine *engine;
    CSB__AUTOCLOSE int lock = -1;
    csb_vm_list *list = NULL;
    int rc;

    if (flags & ~(unsigned)CSB_CLEAN_DRY_RUN) {
        return csb__fail(err, CSB_EINVAL, "unknown flags");
    }
    rc = csb_vm_list_new(ctx, &list, err);
    if (rc != 0) {
        return rc;
    }
    csb__env_begin(&ctx->env, CLEAN_TIMEOUT_MS);
    rc = csb__rename_exclude(ctx, clean.dry_run ? NULL : &lock, err);
    if (rc == 0) {
        rc = clean_records(&ctx->env, &clean, list, err);
    }
    csb_vm_list_free(list);
    for (size_t i = 0; rc == 0 && (engine = csb__engine_get(i)); i++) {
        rc = engine->clean ? engine->clean(&ctx->env, &clean, err) : 0;
    }
    return rc;
}
