/* SPDX-License-Identifier: MIT */
/*
 * Ending machines. limactl is asked where it can do it well; its -f never: it kills whatever has
 * the pid that stands in a file, and where it can't read a machine's lima.yaml it kills nothing
 * and removes the directory under the running VM.
 */
#include <claudesandbox/vm.h>

#include <signal.h>
#include <string.h>

#include "core/path.h"
#include "core/posix.h"
#include "engine/lima/args.h"
#include "engine/lima/instance_dir.h"
#include "engine/lima/layers.h"
#include "engine/lima/lima.h"
#include "engine/lima/lima_proc.h"

/* Lima gives a guest three minutes, and itself as much again (pkg/instance/stop.go). */
#define STOP_MS (400 * 1000)
#define GUEST_MS (190 * 1000)
#define DELETE_MS (120 * 1000)
#define POLL_MS 100
/* A look is cheap, and the host agent mostly ends with limactl. */
#define AGENT_POLL_MS 20
#define REMOVE_TRIES 10
/* Between limactl's word that it is stopped and the host agent's end. */
#define TIDY_MS 5000

static int pull_plug(const char *name, const char *home, csb_error **err) {
    CSB__AUTOFREE char *dir = csb__path_join(home, name);
    int rc = dir ? csb__lima_kill(home, name, err) : csb__fail_nomem(err);

    if (rc == 0) {
        csb__lima_dir_clear_traces(dir);
    }
    return rc;
}

static int wait_agent(struct csb__env *env, const struct csb__lima_proc *procs, size_t n, int ms,
                      csb_error **err) {
    int64_t until = csb__now_ms() + ms;
    int rc = 0;

    while (rc == 0 && csb__lima_agent_alive(procs, n) && csb__now_ms() < until) {
        rc = csb__env_wait(env, AGENT_POLL_MS, "waiting for the VM to shut down", err);
    }
    return rc;
}

/* What limactl stop does, for a machine whose lima.yaml it can't read: asks the host agent, which
 * presses the guest's power button and waits. */
static int stop_by_hand(struct csb__env *env, const char *name, const char *home, csb_error **err) {
    struct csb__lima_proc procs[CSB__LIMA_PROCS_MAX];
    size_t n = csb__lima_procs(home, name, procs);

    if (csb__lima_procs_signal(procs, n, true, SIGINT) > 0) {
        return wait_agent(env, procs, n, GUEST_MS, err);
    }
    if (n > 0) {
        csb__log(env, CSB_LOG_INFO, "nobody can ask %s to shut down: pulling its plug", name);
    }
    return 0;
}

int csb__lima_stop(struct csb__env *env, const char *name, const char *home, unsigned flags,
                   csb_error **err) {
    struct csb__limactl l = {env, home, false};
    struct csb__lima_proc procs[CSB__LIMA_PROCS_MAX];
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOSTRV args = CSB__STRV_INIT;
    size_t n = csb__lima_procs(home, name, procs);
    int rc;

    if ((flags & CSB__STOP_FORCE) || n == 0) {
        return pull_plug(name, home, err);
    }
    csb__lima_verb_args(&args, "stop", name);
    rc = csb__limactl_run(&l, &args, STOP_MS, &e);
    if (rc == 0) {
        rc = wait_agent(env, procs, n, TIDY_MS, &e);
    } else if (rc == CSB_EENGINE || rc == CSB_ENOENGINE) {
        csb__log(env, CSB_LOG_INFO, "%s; asking its host agent", csb_error_message(e));
        csb_error_free(CSB__STEAL(e));
        rc = stop_by_hand(env, name, home, &e);
    }
    if (rc != 0) {
        csb__error_set_hint(&e, "stop it at once with: claude-sandbox stop --force %s", name);
        return csb__error_propagate(err, CSB__STEAL(e));
    }
    return pull_plug(name, home, err); /* of what is left, if anything is */
}

/* A limactl whose caller was killed in the middle of a clone goes on writing for a while. */
static int remove_dir(const char *dir, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;

    for (int i = 0; csb__remove_tree(dir, &e) != 0; i++) {
        if (i == REMOVE_TRIES) {
            return csb__error_propagate(err, CSB__STEAL(e));
        }
        csb_error_free(CSB__STEAL(e));
        csb__sleep_ms(POLL_MS);
    }
    return 0;
}

/* Lima may have more to undo than a directory: locks on disks, an entry that starts it at login.
 * What it can't delete we do. */
static int delete_dir(const struct csb__limactl *l, const char *name, const char *dir,
                      csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOSTRV args = CSB__STRV_INIT;
    int rc;

    csb__lima_verb_args(&args, "delete", name);
    rc = csb__limactl_run(l, &args, DELETE_MS, &e);
    if (rc != 0 && rc != CSB_EENGINE && rc != CSB_ENOENGINE) {
        return csb__error_propagate(err, CSB__STEAL(e));
    }
    if (rc != 0) {
        csb__log(l->env, CSB_LOG_INFO, "%s; removing its directory", csb_error_message(e));
    }
    /* Somebody may have started it meanwhile. */
    rc = csb__lima_kill(l->home, name, err);
    return rc != 0 ? rc : remove_dir(dir, err);
}

int csb__lima_remove(struct csb__env *env, const char *name, const char *home, csb_error **err) {
    struct csb__limactl l = {env, home, true};
    CSB__AUTOFREE char *dir = csb__path_join(home, name);
    CSB__AUTOCLOSE int lock = -1;
    int rc;

    if (!dir) {
        return csb__fail_nomem(err);
    }
    if (!csb__lima_dir_exists(dir)) {
        /* The VM may have outlived its directory. */
        return csb__lima_kill(home, name, err);
    }
    if (csb__lima_dir_protected(dir)) {
        csb__fail(err, CSB_ESTATE, "the VM %s is protected against deletion", name);
        csb__error_set_hint(err, "lift that with: LIMA_HOME='%s' limactl unprotect %s", home, name);
        return CSB_ESTATE;
    }
    rc = csb__limactl_lock(env, home, &lock, err);
    if (rc == 0) {
        rc = pull_plug(name, home, err);
    }
    if (rc == 0) {
        rc = delete_dir(&l, name, dir, err);
    }
    if (rc == 0) {
        csb__lima_layers_clean(home);
    }
    return rc;
}
