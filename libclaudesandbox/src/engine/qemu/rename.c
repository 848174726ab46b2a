/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/path.h"
#include "engine/qemu/instance.h"
#include "engine/qemu/make.h"
#include "engine/qemu/process.h"

/* One step on the disk. What hangs on the name is written anew by each start (ssh.config, the guest's
 * host name), and the sockets' directory, which is named by its hash, is made by it. */
static int move(const struct csb__instance *from, const struct csb__instance *to, csb_error **err) {
    int rc;

    if (access(to->dir, F_OK) == 0) {
        return access(from->dir, F_OK) == 0
                   ? csb__fail(err, CSB_EEXISTS, "%s exists already", to->dir)
                   : 0;
    }
    rc = csb__remove_tree(from->run_dir, err);
    if (rc == 0 && rename(from->dir, to->dir) != 0) {
        rc = csb__fail_errno(err, errno, "can't rename %s", from->dir);
    }
    return rc;
}

int csb__qemu_rename(struct csb__env *env, const char *name, const char *new_name,
                     const char *home_dir, csb_error **err) {
    CSB__AUTOINSTANCE from = {0};
    CSB__AUTOINSTANCE to = {0};
    int rc = csb__instance_load_process(env, name, &from, err);

    (void)home_dir;
    if (rc == 0) {
        rc = csb__instance_init(env, new_name, &to, err);
    }
    if (rc != 0) {
        return rc;
    }
    csb__qemu_adopt(env, &from);
    if (csb__qemu_alive(&from)) {
        return csb__fail(err, CSB_ESTATE, "%s is running", name);
    }
    return move(&from, &to, err);
}
