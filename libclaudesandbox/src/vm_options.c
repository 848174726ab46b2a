/* SPDX-License-Identifier: MIT */
#include "vm_options.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/options.h"
#include "core/path.h"
#include "core/posix.h"
#include "guest/script.h"
#include "model/fit.h"
#include "model/vm_name.h"

/* The real path of a directory that must exist. */
static int resolve_dir(const char *path, char **ret, csb_error **err) {
    CSB__AUTOFREE char *real = realpath(path, NULL);
    struct stat st;

    if (!real) {
        return errno == ENOENT ? csb__fail(err, CSB_EINVAL, "there is no directory %s", path)
                               : csb__fail_errno(err, errno, "can't use %s", path);
    }
    if (stat(real, &st) != 0) {
        return csb__fail_errno(err, errno, "can't use %s", path);
    }
    if (!S_ISDIR(st.st_mode)) {
        return csb__fail(err, CSB_EINVAL, "%s is not a directory", path);
    }
    *ret = CSB__STEAL(real);
    return 0;
}

static const char *user_name(char *buf, size_t size) {
    struct passwd pw;
    struct passwd *found = NULL;

    return getpwuid_r(geteuid(), &pw, buf, size, &found) == 0 && found ? pw.pw_name : "USER";
}

/* Giving away what is not in somebody's home is bad advice: the system's own directories are there. */
static int check_writable(const char *path, csb_error **err) {
    CSB__AUTOSTRBUF quoted = CSB__STRBUF_INIT;
    CSB__AUTOFREE char *home = csb__account_home();
    char buf[4096];

    if (access(path, R_OK | W_OK | X_OK) == 0) {
        return 0;
    }
    csb__fail(err, CSB_EINVAL, "%s can't be written by you, so Claude couldn't either", path);
    csb__shell_quote(&quoted, path);
    if (home && csb__path_is_within(path, home)) {
        csb__error_set_hint(err, "sudo chown -R %s %s", user_name(buf, sizeof(buf)),
                            csb__strbuf_text(&quoted));
    } else {
        csb__error_set_hint(err, "work in a copy of your own: cp -R %s ~",
                            csb__strbuf_text(&quoted));
    }
    return CSB_EINVAL;
}

/* NULL where there is none. One that can't be followed now stays as it is said: a home that nobody
 * knows is one that anybody may share. */
static int find_home(char *(*find)(void), char **ret, csb_error **err) {
    char *home;
    char *real;

    errno = 0;
    home = find();
    if (!home) {
        return errno == ENOMEM ? csb__fail_nomem(err) : 0;
    }
    real = realpath(home, NULL);
    if (!real && errno == ENOMEM) {
        free(home);
        return csb__fail_nomem(err);
    }
    if (real) {
        free(home);
    }
    *ret = real ? real : home;
    return 0;
}

/* Both homes there may be: what HOME says, and the account's own. */
static int check_host(struct csb__env *env, const char *path, bool force, csb_error **err) {
    CSB__AUTOFREE char *real_home = NULL;
    CSB__AUTOFREE char *real_account = NULL;
    int rc = find_home(csb__home_dir, &real_home, err);

    if (rc == 0) {
        rc = find_home(csb__account_home, &real_account, err);
    }
    if (rc == 0) {
        rc = csb__mount_check_host(path, real_home, env->state_dir, force, err);
    }
    if (rc != 0 || (force && real_home && strcmp(path, real_home) == 0)) {
        return rc;
    }
    return csb__mount_check_host(path, real_account, env->state_dir, force, err);
}

static int add(struct csb__env *env, struct csb__spec *spec, const csb_mount *m, bool force,
               char **real_path, csb_error **err) {
    CSB__AUTOFREE char *real = NULL;
    const char *guest;
    int rc = resolve_dir(m->host_path, &real, err);

    if (rc == 0) {
        rc = check_host(env, real, force, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (m->writable && (rc = check_writable(real, err)) != 0) {
        return rc;
    }
    guest = m->guest_path ? m->guest_path : real;
    rc = csb__mount_check_guest(guest, err);
    if (rc == 0) {
        rc = csb__spec_add_mount(spec, real, guest, m->writable, err);
    }
    if (rc == 0 && real_path) {
        *real_path = CSB__STEAL(real);
    }
    return rc;
}

/* Either a directory inside the state directory that is there for the purpose, or like any other. */
static int check_settings(struct csb__env *env, const char *dir, csb_error **err) {
    CSB__AUTOFREE char *own = csb__path_join(env->state_dir, ".claude");
    CSB__AUTOFREE char *absolute = csb__path_absolute(dir);
    CSB__AUTOFREE char *real = realpath(dir, NULL);

    if (!own || !absolute) {
        return csb__fail_nomem(err);
    }
    if (strcmp(real ? real : absolute, own) == 0) {
        return 0;
    }
    return check_host(env, real ? real : absolute, false, err);
}

/* The settings directory is ours to make, and lies in our state directory by default, where nothing
 * else may be shared from. Checked again when it is there: only then its real path is known. */
static int resolve_settings(struct csb__env *env, const char *dir, char **ret, csb_error **err) {
    int rc = check_settings(env, dir, err);

    if (rc == 0) {
        rc = csb__mkdirs(dir, err);
    }
    if (rc == 0) {
        rc = resolve_dir(dir, ret, err);
    }
    return rc == 0 ? check_settings(env, *ret, err) : rc;
}

static int check_mode(int mode, csb_error **err) {
    return mode == 0 || mode == CSB_SETTINGS_RW || mode == CSB_SETTINGS_RO
               ? 0
               : csb__fail(err, CSB_EINVAL, "%d is no mode of a settings directory", mode);
}

int csb__vm_options_fit(struct csb__env *env, int cpus, uint64_t memory, csb_error **err) {
    int host = csb__host_cpus();

    if (host > 0 && cpus > host) {
        csb__log(env, CSB_LOG_WARNING,
                 "%d processors are more than the %d of this machine: the VM will be slow", cpus,
                 host);
    }
    return csb__fit_check(memory, csb__host_memory(), err);
}

int csb__vm_options_changes(struct csb__env *env, const csb_vm_options *o, char **dir,
                            csb_error **err) {
    int rc = csb__spec_check_sizes(o->cpus, o->memory_bytes, o->disk_bytes, err);

    if (rc == 0) {
        rc = check_mode(o->settings_mode, err);
    }
    return rc == 0 && o->settings_dir ? resolve_settings(env, o->settings_dir, dir, err) : rc;
}

static int resolve_mounts(struct csb__env *env, const csb_vm_options *o, struct csb__spec *spec,
                          csb_error **err) {
    csb_mount project = {o->project_dir, NULL, 1};
    int rc = 0;

    if (o->project_dir) {
        rc = add(env, spec, &project, o->flags & CSB_VM_FORCE_MOUNT, &spec->project_dir, err);
    }
    if (rc == 0) {
        rc = csb__vm_options_changes(env, o, &spec->settings_dir, err);
    }
    if (rc == 0 && spec->settings_dir) {
        rc = csb__spec_add_mount(spec, spec->settings_dir, CSB__SETTINGS_GUEST_PATH,
                                 o->settings_mode != CSB_SETTINGS_RO, err);
    }
    for (size_t i = 0; rc == 0 && i < o->n_mounts; i++) {
        rc = add(env, spec, &o->mounts[i], false, NULL, err);
    }
    return rc;
}

int csb__vm_options_ports(struct csb__spec *spec, const csb_port *ports, size_t n,
                          csb_error **err) {
    struct csb__port copy[CSB__PORTS_MAX];

    if (n > CSB__PORTS_MAX || (n > 0 && !ports)) {
        return csb__fail(err, CSB_EINVAL, "more than %d ports, or none where some were promised",
                         CSB__PORTS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        copy[i] = (struct csb__port){ports[i].host, ports[i].guest};
    }
    return csb__spec_set_ports(spec, copy, n, err);
}

int csb__vm_options_resolve(struct csb__env *env, const csb_vm_options *opts, struct csb__spec *ret,
                            csb_error **err) {
    csb_vm_options o = CSB_VM_OPTIONS_INIT;
    int rc = csb__options_load(&o, sizeof(o), opts, err);

    if (rc == 0 && (o.flags & ~(unsigned)CSB_VM_FORCE_MOUNT)) {
        rc = csb__fail(err, CSB_EINVAL, "unknown flags");
    }
    if (rc == 0 && !o.name && !o.project_dir) {
        rc = csb__fail(err, CSB_EINVAL, "a machine needs a name or a project directory");
    }
    if (rc == 0 && o.name && !csb__vm_name_valid(o.name)) {
        rc = csb__fail(err, CSB_EINVAL, "\"%s\" is not a name for a machine", o.name);
    }
    if (rc == 0) {
        rc = resolve_mounts(env, &o, ret, err);
    }
    if (rc == 0 && o.name) {
        ret->name = strdup(o.name);
        rc = ret->name ? 0 : csb__fail_nomem(err);
    }
    if (rc == 0) {
        rc = csb__vm_options_ports(ret, o.ports, o.n_ports, err);
    }
    ret->cpus = o.cpus;
    ret->memory = o.memory_bytes;
    ret->disk = o.disk_bytes;
    return rc;
}
