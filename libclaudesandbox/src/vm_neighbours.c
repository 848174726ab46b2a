/* SPDX-License-Identifier: MIT */
/* A guest that can write a directory can put a link in the place of what lies in it. If that is
 * shared with another machine, and the guest does so between our look and the engine's, the other
 * machine has whatever the link leads to. So no machine's directory lies in one that another can
 * write; the same directory for both, as with the settings, is none the worse. */
#include "vm_neighbours.h"

#include <stdlib.h>
#include <string.h>

#include "core/lock.h"
#include "core/path.h"
#include "guest/script.h"
#include "store.h"

/* Who shares all of a home with a machine has given it everything already. */
static bool is_home(const char *path) {
    CSB__AUTOFREE char *home = csb__home_dir();
    CSB__AUTOFREE char *account = csb__account_home();
    CSB__AUTOFREE char *real_home = home ? realpath(home, NULL) : NULL;
    CSB__AUTOFREE char *real_account = account ? realpath(account, NULL) : NULL;

    return (real_home && strcmp(path, real_home) == 0) ||
           (real_account && strcmp(path, real_account) == 0);
}

/* Whether it could be swapped by who has the outer one. */
static bool endangers(const struct csb__mount *outer, const struct csb__mount *inner) {
    return outer->writable && strcmp(outer->host_path, inner->host_path) != 0 &&
           csb__path_is_within(inner->host_path, outer->host_path) && !is_home(outer->host_path);
}

static int fail_inside(const struct csb__mount *m, const struct csb__mount *outer,
                       const struct csb__spec *other, csb_error **err) {
    CSB__AUTOSTRBUF dir = CSB__STRBUF_INIT;

    csb__shell_quote(&dir, outer->host_path);
    csb__fail(err, CSB_EINVAL, "%s lies in %s, which the VM %s can write", m->host_path,
              outer->host_path, other->name);
    if (other->project_dir && strcmp(other->project_dir, outer->host_path) == 0) {
        csb__error_set_hint(err, "claude-sandbox -d %s to use that VM, or claude-sandbox delete %s",
                            csb__strbuf_text(&dir), other->name);
    } else {
        csb__error_set_hint(err, "claude-sandbox delete %s", other->name);
    }
    return CSB_EINVAL;
}

static int check_mount(const struct csb__mount *m, const struct csb__spec *other, csb_error **err) {
    for (size_t i = 0; i < other->n_mounts; i++) {
        const struct csb__mount *o = &other->mounts[i];

        if (endangers(o, m)) {
            return fail_inside(m, o, other, err);
        }
        if (endangers(m, o)) {
            csb__fail(err, CSB_EINVAL, "%s contains %s, which is shared with the VM %s",
                      m->host_path, o->host_path, other->name);
            csb__error_set_hint(err, "claude-sandbox delete %s", other->name);
            return CSB_EINVAL;
        }
    }
    return 0;
}

static int check_record(const struct csb__spec *spec, const struct csb__record *record,
                        csb_error **err) {
    const struct csb__spec *other = &record->spec;
    int rc = 0;

    if (strcmp(other->name, spec->name) == 0) {
        return 0;
    }
    if (record->complete && spec->project_dir && other->project_dir &&
        strcmp(other->project_dir, spec->project_dir) == 0) {
        return csb__fail(err, CSB_EEXISTS, "%s has the VM %s", spec->project_dir, other->name);
    }
    for (size_t i = 0; rc == 0 && i < spec->n_mounts; i++) {
        rc = check_mount(&spec->mounts[i], other, err);
    }
    return rc;
}

int csb__neighbours_check(struct csb__env *env, const struct csb__spec *spec, csb_error **err) {
    struct csb__record *list = NULL;
    size_t n = 0;
    int rc = csb__store_list(env, &list, &n, err);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = check_record(spec, &list[i], err);
    }
    csb__store_list_free(list, n);
    return rc;
}

int csb__neighbours_reserve(struct csb__env *env, const struct csb__record *record,
                            csb_error **err) {
    CSB__AUTOCLOSE int lock = -1;
    /* No machine can have that name. */
    int rc = csb__lock(env, ".projects", "making a VM", &lock, err);

    if (rc == 0) {
        rc = csb__neighbours_check(env, &record->spec, err);
    }
    return rc == 0 ? csb__store_save(env, record, err) : rc;
}
