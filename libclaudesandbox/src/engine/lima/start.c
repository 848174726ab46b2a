/* SPDX-License-Identifier: MIT */
#include <claudesandbox/vm.h>

#include <string.h>
#include <sys/stat.h>

#include "core/path.h"
#include "core/posix.h"
#include "engine/lima/args.h"
#include "engine/lima/instance_dir.h"
#include "engine/lima/lima.h"
#include "engine/lima/lima_proc.h"

#define UNDO_MS (30 * 1000)
#define POLL_MS 200
#define SETTLE_MS 15000

struct boot {
    const struct csb__limactl *l;
    const struct csb__spec *spec;
    const char *dir;
    bool ours; /* nobody was running it when we came */
};

/* Lima makes a directory to be shared that is not there, empty and in the user's name. */
static int check_shared(const struct csb__spec *spec, csb_error **err) {
    for (size_t i = 0; i < spec->n_mounts; i++) {
        const char *path = spec->mounts[i].host_path;
        struct stat st;

        if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
            csb__fail(err, CSB_ESTATE, "%s is shared with the VM %s, but is no directory any more",
                      path, spec->name);
            csb__error_set_hint(err, "put it back, or delete the VM with: claude-sandbox delete %s",
                                spec->name);
            return CSB_ESTATE;
        }
    }
    return 0;
}

static void add_console(const struct boot *b, csb_error **err) {
    CSB__AUTOSTRBUF console = CSB__STRBUF_INIT;
    int status = err && *err ? csb_error_exit_status(*err) : -1;

    csb__lima_dir_console(b->dir, &console);
    if (console.len > 0) {
        csb__error_set_child(err, status, csb__strbuf_text(&console), console.len);
    }
}

/* Lima leaves a VM running whose start has failed: one that we have started goes again. */
static void undo(const struct boot *b, csb_error **err) {
    int64_t saved = csb__env_shield(b->l->env, UNDO_MS);
    CSB__AUTOERROR csb_error *e = NULL;

    add_console(b, err);
    if (b->ours) {
        if (csb__lima_kill(b->l->home, b->spec->name, &e) == 0) {
            csb__lima_dir_clear_traces(b->dir);
        } else {
            csb__error_set_hint(err, "%s; stop it with: claude-sandbox stop --force %s",
                                csb_error_message(e), b->spec->name);
        }
    }
    csb__env_unshield(b->l->env, saved);
}

static int fail_ended(const struct boot *b, csb_error **err) {
    return csb__fail(err, CSB_EENGINE, "the VM %s ended while it was starting", b->spec->name);
}

/* "Running" is said of a VM from the first second: waits until its host agent says so too, or the
 * guest does. */
static int wait_ready(const struct boot *b, csb_error **err) {
    struct csb__lima_early early = {b->l->env, b->dir, b->spec->name, false};
    struct csb__lima_proc procs[CSB__LIMA_PROCS_MAX];
    size_t n = csb__lima_procs(b->l->home, b->spec->name, procs);

    for (;;) {
        int state = csb__lima_boot_state(b->dir);
        int rc;

        if (state == CSB__LIMA_READY || state == CSB__LIMA_NO_EVENTS) {
            return 0;
        }
        if (state == CSB__LIMA_EXITING || !csb__lima_agent_alive(procs, n)) {
            return fail_ended(b, err);
        }
        if (csb__lima_early_look(&early)) {
            return 0;
        }
        rc = csb__env_wait(b->l->env, POLL_MS, "waiting for the VM to start", err);
        if (rc != 0) {
            return rc;
        }
    }
}

static int is_running(const struct boot *b, bool *ret, csb_error **err) {
    CSB__AUTOLIMALIST found = {NULL, 0};
    CSB__AUTOERROR csb_error *e = NULL;
    int rc = csb__lima_look_up(b->l, b->spec->name, &found, &e);

    *ret = rc == 0 && strcmp(csb__lima_list_find(&found, b->spec->name)->status, "Running") == 0 &&
           csb__lima_boot_state(b->dir) != CSB__LIMA_EXITING;
    return rc == CSB_ECANCELED ? csb__error_propagate(err, CSB__STEAL(e)) : 0;
}

/* Of two that start one VM at the same time (the other one not of us, for we have a lock) both can
 * be told that it failed while it boots: the one reads the other's last words in the log, or finds
 * the host agent before its socket. So what counts is what is there, and what becomes of it. */
static int comes_up_all_the_same(const struct boot *b, bool *ret, csb_error **err) {
    struct csb__lima_proc procs[CSB__LIMA_PROCS_MAX];
    size_t n = csb__lima_procs(b->l->home, b->spec->name, procs);
    int64_t until = csb__now_ms() + SETTLE_MS;
    int rc = 0;

    *ret = false;
    while (rc == 0 && csb__lima_agent_alive(procs, n)) {
        rc = is_running(b, ret, err);
        if (*ret || csb__now_ms() >= until) {
            break;
        }
        if (rc == 0) {
            rc = csb__env_wait(b->l->env, POLL_MS, "starting the VM", err);
        }
    }
    return rc;
}

/* limactl prints the host agent's last event as Go has it in memory. */
static int fail_boot(const struct boot *b, csb_error *e, csb_error **err) {
    CSB__AUTOERROR csb_error *own = e;

    if (strstr(csb_error_message(own), ": exiting, status={")) {
        return fail_ended(b, err);
    }
    return csb__error_propagate(err, CSB__STEAL(own));
}

static int boot(const struct boot *b, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOSTRV args = CSB__STRV_INIT;
    struct csb__lima_early early = {b->l->env, b->dir, b->spec->name, false};
    bool is_up;
    int rc;

    csb__lima_start_args(&args, b->spec->name);
    rc = csb__limactl_start(b->l, &args, &early, &e);
    if (rc == CSB_EENGINE) {
        rc = comes_up_all_the_same(b, &is_up, err);
        if (rc != 0) {
            return rc;
        }
        if (!is_up) {
            return fail_boot(b, CSB__STEAL(e), err);
        }
        csb__log(b->l->env, CSB_LOG_INFO, "%s; but it is running", csb_error_message(e));
    }
    return rc == 0 ? wait_ready(b, err) : csb__error_propagate(err, CSB__STEAL(e));
}

static int fail_broken(const struct csb__lima_record *r, csb_error **err) {
    csb__fail(err, CSB_EENGINE, "Lima can't read the configuration of %s: %s", r->name,
              r->errors ? r->errors : "it does not say why");
    csb__error_set_hint(err, "delete the VM with: claude-sandbox delete %s", r->name);
    return CSB_EENGINE;
}

/* Brings it to where limactl start does what it says. */
static int prepare(struct boot *b, const struct csb__lima_record *r, csb_error **err) {
    int state = csb__lima_state(b->l->home, r);
    int rc;

    if (*r->vm_type == '\0') {
        return fail_broken(r, err);
    }
    b->ours = state == CSB_VM_STOPPED || state == CSB_VM_BROKEN;
    rc = b->ours ? csb__lima_verify(b->l, b->spec, err) : 0;
    if (rc != 0) {
        return rc;
    }
    if (state == CSB_VM_BROKEN) {
        csb__log(b->l->env, CSB_LOG_INFO, "%s is half dead (%s): starting it anew", r->name,
                 r->errors ? r->errors : "");
        rc = csb__lima_kill(b->l->home, r->name, err);
    }
    if (rc == 0 && b->ours) {
        csb__lima_dir_clear_traces(b->dir);
    }
    return rc;
}

int csb__lima_start(struct csb__env *env, const struct csb__spec *spec, const char *home,
                    csb_error **err) {
    struct csb__limactl l = {env, home, false};
    CSB__AUTOFREE char *dir = csb__path_join(home, spec->name);
    CSB__AUTOLIMALIST found = {NULL, 0};
    struct boot b = {&l, spec, dir, false};
    int rc = dir ? check_shared(spec, err) : csb__fail_nomem(err);

    /* limactl start makes a VM, with the home directory in it, of a name that it doesn't know. */
    if (rc == 0) {
        rc = csb__lima_look_up(&l, spec->name, &found, err);
    }
    if (rc == 0) {
        rc = prepare(&b, csb__lima_list_find(&found, spec->name), err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = b.ours ? boot(&b, err) : wait_ready(&b, err);
    if (rc != 0) {
        undo(&b, err);
    }
    return rc;
}
