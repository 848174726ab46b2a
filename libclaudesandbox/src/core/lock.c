/* SPDX-License-Identifier: MIT */
#include "core/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "core/path.h"
#include "core/posix.h"

static int lock_path(struct csb__env *env, const char *name, char **ret, csb_error **err) {
    CSB__AUTOFREE char *dir = csb__path_join(env->state_dir, "locks");
    int rc;

    if (strchr(name, '/')) {
        *ret = strdup(name);
        return *ret ? 0 : csb__fail_nomem(err);
    }
    rc = dir ? csb__mkdirs(dir, err) : csb__fail_nomem(err);
    if (rc == 0 && asprintf(ret, "%s/%s.lock", dir, name) < 0) {
        *ret = NULL;
        rc = csb__fail_nomem(err);
    }
    return rc;
}

static int open_lock(struct csb__env *env, const char *name, char **path, int *fd,
                     csb_error **err) {
    int rc = lock_path(env, name, path, err);

    if (rc == 0) {
        *fd = csb__open(*path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
        if (*fd < 0) {
            rc = csb__fail_errno(err, errno, "can't open the lock %s", *path);
        }
    }
    return rc;
}

int csb__lock(struct csb__env *env, const char *name, const char *what, int *ret_fd,
              csb_error **err) {
    CSB__AUTOFREE char *path = NULL;
    CSB__AUTOCLOSE int fd = -1;
    bool told = false;
    int rc = open_lock(env, name, &path, &fd, err);

    if (rc != 0) {
        return rc;
    }
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return csb__fail_errno(err, errno, "can't lock %s", path);
        }
        if (!told) {
            csb__log(env, CSB_LOG_INFO, "waiting for another process that is %s", what);
            told = true;
        }
        rc = csb__env_wait(env, 20, what, NULL);
        if (rc == CSB_ETIMEOUT) {
            return csb__fail(err, CSB_EBUSY, "another process is still %s", what);
        }
        if (rc != 0) {
            return csb__fail(err, rc, "cancelled");
        }
    }
    *ret_fd = fd;
    fd = -1;
    return 0;
}

int csb__lock_try(struct csb__env *env, const char *name, int *ret_fd, csb_error **err) {
    CSB__AUTOFREE char *path = NULL;
    CSB__AUTOCLOSE int fd = -1;
    int rc = open_lock(env, name, &path, &fd, err);

    if (rc != 0) {
        return rc;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? csb__fail(err, CSB_EBUSY, "another process has %s", path)
                                    : csb__fail_errno(err, errno, "can't lock %s", path);
    }
    *ret_fd = fd;
    fd = -1;
    return 0;
}

bool csb__lock_is_held(struct csb__env *env, const char *name) {
    CSB__AUTOFREE char *path = NULL;
    CSB__AUTOCLOSE int fd = -1;

    if (asprintf(&path, "%s/locks/%s.lock", env->state_dir, name) < 0) {
        path = NULL;
        return false;
    }
    fd = csb__open(path, O_RDWR | O_NOFOLLOW, 0);
    return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}
