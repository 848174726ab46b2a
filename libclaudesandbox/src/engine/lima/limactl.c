/* SPDX-License-Identifier: MIT */
#include "engine/lima/limactl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/lock.h"
#include "core/path.h"
#include "engine/lima/parse.h"

#define VERSION_MS (20 * 1000)
/* The oldest that we know: before, guest homes and disks were laid out differently. */
#define MIN_MAJOR 2
#define MIN_MINOR 1

#ifdef __APPLE__
#define INSTALL_HINT "install Lima 2.1 or newer: brew install lima"
#else
#define INSTALL_HINT "install Lima 2.1 or newer: https://lima-vm.io/docs/installation/"
#endif

extern char **environ;

char *csb__limactl_cwd(const struct csb__env *env) {
    return csb__path_join(env->state_dir, "lima-cwd");
}

static void make_argv(const struct csb__limactl *l, const struct csb__strv *args,
                      struct csb__strv *argv) {
    csb__strv_add(argv, l->env->limactl ? l->env->limactl : "limactl");
    csb__strv_add(argv, "--log-format");
    csb__strv_add(argv, "json");
    csb__strv_add_all(argv, csb__strv_items(args));
}

/* Ours, with the home said outright: nothing else may decide which machines we speak of. */
static void make_environment(const struct csb__limactl *l, struct csb__strv *envp) {
    for (char **e = environ; *e; e++) {
        if (!l->home || strncmp(*e, "LIMA_HOME=", 10) != 0) {
            csb__strv_add(envp, *e);
        }
    }
    if (l->home) {
        csb__strv_addf(envp, "LIMA_HOME=%s", l->home);
    }
}

static int fail_missing(const struct csb__env *env, csb_error **err) {
    csb__fail(err, CSB_ENOENGINE, "%s%s", env->limactl ? env->limactl : "limactl",
              env->limactl ? " can't be run" : " is not installed");
    csb__error_set_hint(err, INSTALL_HINT);
    return CSB_ENOENGINE;
}

static int call_once(const struct csb__limactl *l, const struct csb__strv *args,
                     const struct csb__run *how, struct csb__run_result *ret, csb_error **err) {
    CSB__AUTOSTRV argv = CSB__STRV_INIT;
    CSB__AUTOSTRV envp = CSB__STRV_INIT;
    CSB__AUTOFREE char *cwd = l->home ? csb__limactl_cwd(l->env) : NULL;
    CSB__AUTOERROR csb_error *e = NULL;
    struct csb__run run = *how;
    int rc = cwd ? csb__mkdirs(cwd, err) : l->home ? csb__fail_nomem(err) : 0;

    make_argv(l, args, &argv);
    make_environment(l, &envp);
    if (rc != 0 || argv.failed || envp.failed) {
        return rc != 0 ? rc : csb__fail_nomem(err);
    }
    run.argv = csb__strv_items(&argv);
    run.envp = csb__strv_items(&envp);
    run.cwd = cwd;
    rc = csb__run(l->env, &run, ret, &e);
    if (rc == CSB_ESYSTEM && (csb_error_errno(e) == ENOENT || csb_error_errno(e) == EACCES)) {
        return fail_missing(l->env, err);
    }
    if (rc == CSB_ETIMEOUT) {
        return csb__fail(err, CSB_ETIMEOUT, "limactl %s did not end in time",
                         csb__strv_items(args)[0]);
    }
    return rc != 0 ? csb__error_propagate(err, CSB__STEAL(e)) : 0;
}

/* Lima before 2.2 fails in every verb while any directory of the home has no lima.yaml, which is
 * how a machine looks while it is being cloned (pkg/networks/reconcile/reconcile.go). */
static bool met_a_clone(const struct csb__run_result *r) {
    CSB__AUTOFREE char *msg = csb__lima_fatal_message(csb__strbuf_text(&r->errout));

    return r->status != 0 && msg && strstr(msg, "lima.yaml: no such file or directory");
}

/* `how` says for how long. */
static int call(const struct csb__limactl *l, const struct csb__strv *args,
                const struct csb__run *how, struct csb__run_result *ret, csb_error **err) {
    CSB__AUTOCLOSE int fd = -1;
    int rc = call_once(l, args, how, ret, err);

    if (rc != 0 || l->locked || !l->home || !met_a_clone(ret)) {
        return rc;
    }
    /* Once whoever holds the lock is done, there is none under way. */
    rc = csb__limactl_lock(l->env, l->home, &fd, err);
    if (rc != 0) {
        return rc;
    }
    csb__cleanup_close(&fd);
    fd = -1;
    csb__run_result_free(ret);
    *ret = (struct csb__run_result){0};
    return call_once(l, args, how, ret, err);
}

int csb__limactl_call(const struct csb__limactl *l, const struct csb__strv *args, int timeout_ms,
                      struct csb__run_result *ret, csb_error **err) {
    struct csb__run how = CSB__RUN_INIT;

    how.timeout_ms = timeout_ms;
    return call(l, args, &how, ret, err);
}

int csb__limactl_check(const struct csb__strv *args, const struct csb__run_result *r,
                       csb_error **err) {
    CSB__AUTOFREE char *msg = NULL;
    const char *verb = args->len ? args->items[0] : "";

    if (r->status == 0) {
        return 0;
    }
    msg = csb__lima_fatal_message(csb__strbuf_text(&r->errout));
    if (msg) {
        csb__fail(err, CSB_EENGINE, "limactl %s: %s", verb, msg);
    } else {
        csb__fail(err, CSB_EENGINE, "limactl %s ended with %s %d and no message", verb,
                  r->signo ? "signal" : "status", r->signo ? r->signo : r->status);
    }
    csb__error_set_child(err, r->status, csb__strbuf_text(&r->errout), r->errout.len);
    return CSB_EENGINE;
}

int csb__limactl_run(const struct csb__limactl *l, const struct csb__strv *args, int timeout_ms,
                     csb_error **err) {
    CSB__AUTORESULT r = {0};
    int rc = csb__limactl_call(l, args, timeout_ms, &r, err);

    return rc != 0 ? rc : csb__limactl_check(args, &r, err);
}

int csb__limactl_start(const struct csb__limactl *l, const struct csb__strv *args,
                       struct csb__lima_early *early, csb_error **err) {
    CSB__AUTORESULT r = {0};
    struct csb__run how = CSB__RUN_INIT;
    int rc;

    how.enough = csb__lima_early_look;
    how.enough_ms = CSB__LIMA_EARLY_MS;
    how.userdata = early;
    rc = call(l, args, &how, &r, err);
    return rc != 0 ? rc : csb__limactl_check(args, &r, err);
}

int csb__limactl_lock(struct csb__env *env, const char *home, int *ret_fd, csb_error **err) {
    CSB__AUTOFREE char *path = csb__path_join(home, ".claude-sandbox.lock");
    int rc = path ? csb__mkdirs(home, err) : csb__fail_nomem(err);

    return rc != 0 ? rc : csb__lock(env, path, "making or deleting a Lima VM", ret_fd, err);
}

int csb__limactl_version(struct csb__env *env, char **what, csb_error **err) {
    struct csb__limactl l = {env, NULL, true};
    CSB__AUTOSTRV args = CSB__STRV_INIT;
    CSB__AUTORESULT r = {0};
    CSB__AUTOERROR csb_error *e = NULL;
    char word[64];
    int major;
    int minor;
    int rc;

    csb__strv_add(&args, "--version");
    rc = csb__limactl_call(&l, &args, VERSION_MS, &r, err);
    if (rc != 0) {
        return rc;
    }
    if (csb__limactl_check(&args, &r, &e) != 0 ||
        csb__lima_parse_version(csb__strbuf_text(&r.out), &major, &minor, word, &e) != 0) {
        csb__fail(err, CSB_ENOENGINE, "limactl does not work (%s)", csb_error_message(e));
        csb__error_set_hint(err, INSTALL_HINT);
        return CSB_ENOENGINE;
    }
    if (major < MIN_MAJOR || (major == MIN_MAJOR && minor < MIN_MINOR)) {
        csb__fail(err, CSB_ENOENGINE, "limactl %s is too old", word);
        csb__error_set_hint(err, INSTALL_HINT);
        return CSB_ENOENGINE;
    }
    if (asprintf(what, "limactl %s", word) < 0) {
        *what = NULL;
        return csb__fail_nomem(err);
    }
    return 0;
}
