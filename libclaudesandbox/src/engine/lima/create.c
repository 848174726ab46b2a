/* SPDX-License-Identifier: MIT */
/* Making machines, and making them different: all or nothing. */
#include <claudesandbox/vm.h>

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lock.h"
#include "core/path.h"
#include "engine/lima/args.h"
#include "engine/lima/instance_dir.h"
#include "engine/lima/lima.h"
#include "engine/lima/overlay.h"

#define CLONE_MS (10 * 60 * 1000)
#define EDIT_MS (60 * 1000)
#define BASE_NAME_MAX 76

static int fail_exists(const char *home, const char *name, csb_error **err) {
    csb__fail(err, CSB_EEXISTS, "Lima has a VM %s already, in %s", name, home);
    csb__error_set_hint(err,
                        "choose another name, or delete that VM with: LIMA_HOME='%s' "
                        "limactl delete %s",
                        home, name);
    return CSB_EEXISTS;
}

static void remove_rejected(struct csb__env *env) {
    CSB__AUTOFREE char *cwd = csb__limactl_cwd(env);
    CSB__AUTOFREE char *rejected = cwd ? csb__path_join(cwd, "lima.REJECTED.yaml") : NULL;

    if (rejected) {
        unlink(rejected);
    }
}

/* limactl leaves both behind when it fails, and what it was told to make when it is killed. */
static void undo(struct csb__env *env, const char *dir, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;

    remove_rejected(env);
    /* It never ran, so that no process and no lock of Lima's can hang on it. */
    if (csb__remove_tree(dir, &e) != 0) {
        csb__error_set_hint(err, "a part of it is left (%s): remove the directory %s",
                            csb_error_message(e), dir);
    }
}

/* limactl itself found one of that name: somebody else's, made since we looked. */
static bool lost_race(const csb_error *e) {
    return csb_error_code(e) == CSB_EENGINE && strstr(csb_error_message(e), "already exists");
}

/* Runs the verb that makes spec->name and checks what came of it. With the lock held. */
static int make(const struct csb__limactl *l, const struct csb__spec *spec,
                const struct csb__strv *args, int timeout_ms, csb_error **err) {
    CSB__AUTOFREE char *dir = csb__path_join(l->home, spec->name);
    CSB__AUTOERROR csb_error *e = NULL;
    struct stat st;
    int rc;

    if (!dir || args->failed) {
        return csb__fail_nomem(err);
    }
    if (lstat(dir, &st) == 0) {
        return fail_exists(l->home, spec->name, err);
    }
    rc = csb__limactl_run(l, args, timeout_ms, &e);
    if (lost_race(e)) {
        return fail_exists(l->home, spec->name, err);
    }
    if (rc == 0) {
        csb__lima_dir_forget_runs(dir);
        rc = csb__lima_verify(l, spec, &e);
    }
    if (rc != 0) {
        undo(l->env, dir, &e);
        csb__error_propagate(err, CSB__STEAL(e));
    }
    return rc;
}

static int begin(struct csb__env *env, const struct csb__spec *spec, char **home, char **expression,
                 csb_error **err) {
    int rc = csb__lima_check_mounts(spec, err);

    if (rc == 0) {
        rc = csb__lima_home(env, home, err);
    }
    if (rc == 0) {
        *expression = csb__lima_expression(spec);
        rc = *expression ? 0 : csb__fail_nomem(err);
    }
    return rc;
}

int csb__lima_create(struct csb__env *env, const struct csb__spec *spec,
                     const struct csb__source *source, csb_error **err) {
    CSB__AUTOFREE char *home = NULL;
    CSB__AUTOFREE char *expression = NULL;
    CSB__AUTOFREE char *path = NULL;
    CSB__AUTOSTRV args = CSB__STRV_INIT;
    CSB__AUTOCLOSE int lock = -1;
    int rc;

    if (!source->template_path) {
        csb__fail(err, CSB_EINVAL, "a Lima VM needs a template to be made from");
        csb__error_set_hint(err, "give one with -t tools-vm.yaml, or a VM to copy with "
                                 "--clone-from");
        return CSB_EINVAL;
    }
    rc = begin(env, spec, &home, &expression, err);
    if (rc == 0) {
        /* Absolute, for limactl runs elsewhere and takes a bare word for another thing. */
        path = csb__path_absolute(source->template_path);
        rc = path ? csb__limactl_lock(env, home, &lock, err) : csb__fail_nomem(err);
    }
    if (rc == 0) {
        struct csb__limactl l = {env, home, true};

        csb__progress(env, 0, 0, "making the VM's disk from its image");
        csb__lima_create_args(&args, spec, expression, path);
        rc = make(&l, spec, &args, 0, err);
    }
    return rc;
}

/* Names are arguments of limactl: nothing that could be a flag or a path gets there. */
static bool is_base_name(const char *name) {
    static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(name);

    return len > 0 && len <= BASE_NAME_MAX && name[strspn(name, chars)] == '\0' &&
           !strchr("._-", *name);
}

static int fail_base(const char *base, int state, const struct csb__lima_record *r,
                     csb_error **err) {
    if (state == CSB_VM_BROKEN) {
        csb__fail(err, CSB_ESTATE, "the base %s is broken: %s", base,
                  r->errors ? r->errors : "Lima can't tell its state");
        return CSB_ESTATE;
    }
    csb__fail(err, CSB_ESTATE, "the base %s must be stopped to be copied", base);
    csb__error_set_hint(err, "stop it with: limactl stop %s", base);
    return CSB_ESTATE;
}

/* limactl itself refuses only what it calls Running, and copies a disk in use of what it calls
 * Broken; a base whose lima.yaml can't be read makes it panic. */
static int check_base(const struct csb__limactl *l, const char *base, const struct csb__spec *spec,
                      csb_error **err) {
    CSB__AUTOLIMALIST found = {NULL, 0};
    const struct csb__lima_record *r;
    int state;
    int rc = csb__lima_look_up(l, base, &found, err);

    if (rc == CSB_ENOTFOUND) {
        csb__error_set_hint(err, "see what there is with: LIMA_HOME='%s' limactl list", l->home);
    }
    if (rc != 0) {
        return rc;
    }
    r = csb__lima_list_find(&found, base);
    state = csb__lima_state(l->home, r);
    if (state != CSB_VM_STOPPED) {
        return fail_base(base, state, r, err);
    }
    if (spec->disk != 0 && spec->disk < r->disk) {
        return csb__fail(err, CSB_EINVAL,
                         "the disk can't be smaller than that of %s, %" PRIu64 " bytes", base,
                         r->disk);
    }
    return 0;
}

static int copy_by_limactl(const struct csb__limactl *l, const struct csb__spec *spec,
                           const char *base, csb_error **err) {
    CSB__AUTOFREE char *expression = csb__lima_expression(spec);
    CSB__AUTOSTRV args = CSB__STRV_INIT;
    int rc = expression ? check_base(l, base, spec, err) : csb__fail_nomem(err);

    if (rc == 0) {
        csb__progress(l->env, 0, 0, "copying the base's disk");
        csb__lima_clone_args(&args, spec, expression, base);
        rc = make(l, spec, &args, CLONE_MS, err);
    }
    return rc;
}

/* What Lima makes of it is looked at by each start; here only where it is not what we wrote. */
static int check_overrides(const struct csb__limactl *l, const struct csb__spec *spec,
                           csb_error **err) {
    CSB__AUTOFREE char *dir = csb__path_join(l->home, spec->name);
    CSB__AUTOERROR csb_error *e = NULL;
    int rc = !dir                               ? csb__fail_nomem(&e)
             : csb__lima_has_overrides(l->home) ? csb__lima_verify(l, spec, &e)
                                                : 0;

    if (rc != 0 && dir) {
        undo(l->env, dir, &e);
    }
    return rc == 0 ? 0 : csb__error_propagate(err, CSB__STEAL(e));
}

/* With the home's lock. Somebody else's base is not touched: its disk stays where it is. */
static int copy(const struct csb__limactl *l, const struct csb__spec *spec,
                const struct csb__source *source, csb_error **err) {
    CSB__AUTOFREE char *dir = csb__path_join(l->home, spec->name);
    CSB__AUTOERROR csb_error *e = NULL;
    struct stat st;
    int rc;

    if (!dir) {
        return csb__fail_nomem(err);
    }
    if (lstat(dir, &st) == 0) {
        return fail_exists(l->home, spec->name, err);
    }
    if (!source->base_is_ours) {
        return copy_by_limactl(l, spec, source->base, err);
    }
    rc = csb__lima_overlay(l, spec, source->base, &e);
    if (rc == CSB_ENOTSUP) {
        csb__log(l->env, CSB_LOG_INFO, "%s is copied by limactl: %s", source->base,
                 csb_error_message(e));
        return copy_by_limactl(l, spec, source->base, err);
    }
    if (rc == CSB_EEXISTS) {
        return fail_exists(l->home, spec->name, err);
    }
    return rc == 0 ? check_overrides(l, spec, err) : csb__error_propagate(err, CSB__STEAL(e));
}

int csb__lima_clone(struct csb__env *env, const struct csb__spec *spec,
                    const struct csb__source *source, csb_error **err) {
    CSB__AUTOFREE char *home = NULL;
    CSB__AUTOCLOSE int base_lock = -1;
    CSB__AUTOCLOSE int lock = -1;
    int rc;

    if (!source->base || !is_base_name(source->base)) {
        return csb__fail(err, CSB_EINVAL, "\"%s\" is no name of a Lima VM",
                         source->base ? source->base : "");
    }
    rc = csb__lima_check_mounts(spec, err);
    if (rc == 0) {
        rc = csb__lima_home(env, &home, err);
    }
    /* Nobody starts it while its disk is copied. */
    if (rc == 0 && source->base_is_ours) {
        rc = csb__lock(env, source->base, "using the base VM", &base_lock, err);
    }
    if (rc == 0) {
        rc = csb__limactl_lock(env, home, &lock, err);
    }
    if (rc == 0) {
        struct csb__limactl l = {env, home, true};

        rc = copy(&l, spec, source, err);
    }
    return rc;
}

/* limactl checks what would come out before it writes it; start looks once more at what is there. */
int csb__lima_configure(struct csb__env *env, const struct csb__spec *spec, const char *home,
                        csb_error **err) {
    CSB__AUTOFREE char *expression = csb__lima_expression(spec);
    CSB__AUTOSTRV args = CSB__STRV_INIT;
    CSB__AUTOCLOSE int lock = -1;
    int rc = csb__lima_check_mounts(spec, err);

    if (rc == 0) {
        rc = expression ? csb__limactl_lock(env, home, &lock, err) : csb__fail_nomem(err);
    }
    if (rc == 0) {
        struct csb__limactl l = {env, home, true};

        csb__lima_edit_args(&args, spec, expression);
        rc = args.failed ? csb__fail_nomem(err) : csb__limactl_run(&l, &args, EDIT_MS, err);
        if (rc != 0) {
            remove_rejected(env);
        }
    }
    return rc;
}
