/* SPDX-License-Identifier: MIT */
/* Another name for a machine, and the mark that keeps limactl from deleting it. */
#include <claudesandbox/vm.h>

#include <string.h>

#include "core/path.h"
#include "engine/lima/args.h"
#include "engine/lima/instance_dir.h"
#include "engine/lima/lima.h"

#define RENAME_MS (60 * 1000)

struct pair {
    char *from;
    char *to;
};

static void pair_finish(struct pair *p) {
    free(p->from);
    free(p->to);
}

static bool has_config(const char *dir) {
    CSB__AUTOFREE char *path = csb__path_join(dir, "lima.yaml");

    return path && access(path, F_OK) == 0;
}

/* limactl moves file by file (pkg/instance/clone.go). Of two directories with one lima.yaml between
 * them it was killed on the way: no clone is, for we have the home's lock. */
static bool is_half_renamed(const struct pair *p) {
    return csb__lima_dir_exists(p->from) && csb__lima_dir_exists(p->to) &&
           has_config(p->from) != has_config(p->to);
}

static int check_stopped(const struct csb__limactl *l, const char *name, csb_error **err) {
    CSB__AUTOLIMALIST found = {NULL, 0};
    int rc = csb__lima_look_up(l, name, &found, err);

    if (rc == 0 && csb__lima_state(l->home, csb__lima_list_find(&found, name)) != CSB_VM_STOPPED) {
        rc = csb__fail(err, CSB_ESTATE, "%s is not stopped", name);
    }
    return rc;
}

static int run_rename(const struct csb__limactl *l, const struct pair *p, const char *name,
                      const char *new_name, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOSTRV args = CSB__STRV_INIT;
    int rc = check_stopped(l, name, err);

    if (rc != 0) {
        return rc;
    }
    if (csb__lima_dir_exists(p->to)) {
        return csb__fail(err, CSB_EEXISTS, "Lima has a VM %s already, in %s", new_name, l->home);
    }
    csb__lima_rename_args(&args, name, new_name);
    rc = csb__limactl_run(l, &args, RENAME_MS, &e);
    if (rc != 0 && is_half_renamed(p)) {
        csb__log(l->env, CSB_LOG_INFO, "%s; finishing it", csb_error_message(e));
        return csb__lima_dir_move(p->from, p->to, err);
    }
    return rc == 0 ? 0 : csb__error_propagate(err, CSB__STEAL(e));
}

int csb__lima_rename(struct csb__env *env, const char *name, const char *new_name, const char *home,
                     csb_error **err) {
    CSB__CLEANUP(pair_finish)
    struct pair p = {csb__path_join(home, name), csb__path_join(home, new_name)};
    struct csb__limactl l = {env, home, true};
    CSB__AUTOCLOSE int lock = -1;
    int rc = p.from && p.to ? csb__limactl_lock(env, home, &lock, err) : csb__fail_nomem(err);

    if (rc != 0 || (!csb__lima_dir_exists(p.from) && has_config(p.to))) {
        return rc;
    }
    rc = is_half_renamed(&p) ? csb__lima_dir_move(p.from, p.to, err)
                             : run_rename(&l, &p, name, new_name, err);
    if (rc == 0) {
        /* Its ssh.config speaks of the old name until it starts. */
        csb__lima_dir_forget_runs(p.to);
    }
    return rc;
}

int csb__lima_protect(struct csb__env *env, const char *name, const char *home, bool on,
                      csb_error **err) {
    struct csb__limactl l = {env, home, false};
    CSB__AUTOSTRV args = CSB__STRV_INIT;

    csb__lima_verb_args(&args, on ? "protect" : "unprotect", name);
    return csb__limactl_run(&l, &args, RENAME_MS, err);
}
