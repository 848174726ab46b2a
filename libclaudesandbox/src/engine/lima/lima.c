/* SPDX-License-Identifier: MIT */
/* The engine's table, and the verbs that only look. */
#include "engine/lima/lima.h"

#include <claudesandbox/vm.h>

#include <stdio.h>
#include <string.h>

#include "core/path.h"
#include "engine/lima/args.h"
#include "engine/lima/instance_dir.h"
#include "engine/lima/lima_proc.h"
#include "model/vm_name.h"

/* A machine whose host agent hangs takes limactl three seconds. */
#define LIST_MS (60 * 1000)

/* pkg/limatype/filenames/filenames.go: LongestSock; UNIX_PATH_MAX as pkg/osutil has it. */
#define LONGEST_SOCKET "/ssh.sock.1234567890123456"
#ifdef __APPLE__
#define SOCKET_MAX 104
#else
#define SOCKET_MAX 108
#endif
/* "lima-NAME" is the guest's host name, one label of at most 63. */
#define HOSTNAME_ROOM (63 - 5)

static char *real_or_same(const char *path) {
    CSB__AUTOFREE char *copy = strdup(path);
    CSB__AUTOFREE char *dir = NULL;
    char *slash = copy ? strrchr(copy, '/') : NULL;
    char *real = realpath(path, NULL);

    if (real || !slash || slash == copy) {
        return real ? real : CSB__STEAL(copy);
    }
    /* It is yet to be made; its parent may be a link all the same. */
    *slash = '\0';
    dir = realpath(copy, NULL);
    return dir ? csb__path_join(dir, slash + 1) : strdup(path);
}

static char *find_home(struct csb__env *env) {
    const char *set = getenv("LIMA_HOME");
    CSB__AUTOFREE char *path = set && *set ? csb__path_absolute(set)
                                           : csb__path_join(env->state_dir, "lima");

    return path ? real_or_same(path) : NULL;
}

int csb__lima_home(struct csb__env *env, char **ret, csb_error **err) {
    CSB__AUTOFREE char *home = find_home(env);
    int rc = home ? csb__place_check(home, "LIMA_HOME", err) : csb__fail_nomem(err);

    if (rc == 0) {
        *ret = CSB__STEAL(home);
    }
    return rc;
}

static size_t name_max(struct csb__env *env) {
    CSB__AUTOFREE char *home = find_home(env);
    size_t used = (home ? strlen(home) : SOCKET_MAX) + 1 + strlen(LONGEST_SOCKET) + 1;
    size_t room = used < SOCKET_MAX ? SOCKET_MAX - used : 0;

    room = room < HOSTNAME_ROOM ? room : HOSTNAME_ROOM;
    return room < CSB__NAME_MAX ? room : CSB__NAME_MAX;
}

static int probe(struct csb__env *env, char **what, csb_error **err) {
    return csb__limactl_version(env, what, err);
}

int csb__lima_list(const struct csb__limactl *l, const char *const *names, size_t n,
                   struct csb__lima_list *ret, csb_error **why, csb_error **err) {
    CSB__AUTOSTRV args = CSB__STRV_INIT;
    CSB__AUTORESULT r = {0};
    int rc;

    csb__lima_list_args(&args, names, n);
    rc = csb__limactl_call(l, &args, LIST_MS, &r, err);
    if (rc != 0) {
        return rc;
    }
    if (csb__limactl_check(&args, &r, why) != 0) {
        (void)csb__lima_parse_list(csb__strbuf_text(&r.out), r.out.len, ret, NULL);
        return 0;
    }
    return csb__lima_parse_list(csb__strbuf_text(&r.out), r.out.len, ret, err);
}

static int fail_not_found(const char *home, const char *name, csb_error **err) {
    return csb__fail(err, CSB_ENOTFOUND, "Lima has no VM %s in %s", name, home);
}

bool csb__lima_has_dir(const char *home, const char *name) {
    CSB__AUTOFREE char *dir = csb__path_join(home, name);

    return !dir || csb__lima_dir_exists(dir);
}

int csb__lima_look_up(const struct csb__limactl *l, const char *name, struct csb__lima_list *ret,
                      csb_error **err) {
    CSB__AUTOERROR csb_error *why = NULL;
    int rc;

    if (!csb__lima_has_dir(l->home, name)) {
        return fail_not_found(l->home, name, err);
    }
    rc = csb__lima_list(l, &name, 1, ret, &why, err);
    if (rc != 0 || csb__lima_list_find(ret, name)) {
        return rc;
    }
    if (why && csb__lima_has_dir(l->home, name)) {
        return csb__error_propagate(err, CSB__STEAL(why));
    }
    return fail_not_found(l->home, name, err);
}

int csb__lima_verify(const struct csb__limactl *l, const struct csb__spec *spec, csb_error **err) {
    CSB__AUTOSTRV args = CSB__STRV_INIT;
    CSB__AUTORESULT r = {0};
    int rc;

    csb__lima_config_args(&args, spec->name);
    rc = csb__limactl_call(l, &args, LIST_MS, &r, err);
    if (rc == 0) {
        rc = csb__limactl_check(&args, &r, err);
    }
    return rc != 0 ? rc : csb__lima_check_config(csb__strbuf_text(&r.out), r.out.len, spec, err);
}

int csb__lima_state(const char *home, const struct csb__lima_record *r) {
    struct csb__lima_proc procs[CSB__LIMA_PROCS_MAX];
    CSB__AUTOFREE char *dir = NULL;

    if (strcmp(r->status, "Stopped") == 0) {
        return CSB_VM_STOPPED;
    }
    if (strcmp(r->status, "Running") == 0) {
        dir = csb__path_join(home, r->name);
        return dir && csb__lima_boot_state(dir) == CSB__LIMA_BOOTING ? CSB_VM_STARTING
                                                                     : CSB_VM_RUNNING;
    }
    if (strcmp(r->status, "Uninitialized") == 0 || strcmp(r->status, "Installing") == 0) {
        return CSB_VM_STARTING;
    }
    /* Lima counts zombies as alive, and whoever has a dead one's pid: it says Broken where nothing
     * runs and all is well. Without a vmType it could not read the configuration. */
    if (*r->vm_type && csb__lima_procs(home, r->name, procs) == 0) {
        return CSB_VM_STOPPED;
    }
    return CSB_VM_BROKEN;
}

static void console(struct csb__env *env, const char *name, const char *home,
                    struct csb__strbuf *out) {
    CSB__AUTOFREE char *dir = csb__path_join(home, name);

    (void)env;
    if (dir) {
        csb__lima_dir_console(dir, out);
    }
}

static char *mount_point(const struct csb__spec *spec, size_t index) {
    const struct csb__mount *m = &spec->mounts[index];
    size_t size = strlen(m->guest_path) + 64;
    CSB__AUTOFREE char *point = malloc(size);

    return point && csb__lima_mount_point(m, index, point, size) ? CSB__STEAL(point) : NULL;
}

const struct csb__engine csb__engine_lima = {
    .name = "lima",
    .needs_template = true,
    .provisions = true,
    .probe = probe,
    .home = csb__lima_home,
    .name_max = name_max,
    .create = csb__lima_create,
    .clone = csb__lima_clone,
    .configure = csb__lima_configure,
    .start = csb__lima_start,
    .stop = csb__lima_stop,
    .remove = csb__lima_remove,
    .rename = csb__lima_rename,
    .protect = csb__lima_protect,
    .inspect = csb__lima_inspect,
    .inspect_all = csb__lima_inspect_all,
    .console = console,
    .mount_point = mount_point,
};
