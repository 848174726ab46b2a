/* SPDX-License-Identifier: MIT */
#include "hooks/endpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/path.h"
#include "core/posix.h"
#include "hooks/poller.h"
#include "model/vm_name.h"

char *csb__hooks_dir(const struct csb__env *env) {
    return csb__path_join(env->state_dir, "run/hooks");
}

/* Takes the path over. */
static int check_path(char *path, char **ret, csb_error **err) {
    if (!csb__unix_path_fits(path)) {
        csb__fail(err, CSB_EINVAL, "%s is too long a path for a socket", path);
        csb__error_set_hint(err, "set CLAUDE_SANDBOX_HOME to a shorter path");
        free(path);
        return CSB_EINVAL;
    }
    *ret = path;
    return 0;
}

int csb__hooks_socket_path(const struct csb__env *env, const char *vm, char **ret,
                           csb_error **err) {
    char *path = NULL;
    char digits[9];

    csb__hash8(vm, digits);
    if (asprintf(&path, "%s/run/hooks/%s.sock", env->state_dir, digits) < 0) {
        return csb__fail_nomem(err);
    }
    return check_path(path, ret, err);
}

int csb__hooks_relay_path(const struct csb__env *env, char **ret, csb_error **err) {
    char *path = csb__path_join(env->state_dir, "run/hooks/subscribe");

    return path ? check_path(path, ret, err) : csb__fail_nomem(err);
}

/* Ours, and closed to others, also when somebody made it otherwise. */
static int make_private(const char *dir, csb_error **err) {
    struct stat st;
    int rc = csb__mkdirs(dir, err);

    if (rc != 0) {
        return rc;
    }
    if (lstat(dir, &st) != 0) {
        return csb__fail_errno(err, errno, "can't use %s", dir);
    }
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid()) {
        return csb__fail(err, CSB_EINVAL, "%s is not a directory of yours", dir);
    }
    if ((st.st_mode & 077) != 0 && chmod(dir, 0700) != 0) {
        return csb__fail_errno(err, errno, "can't close %s to others", dir);
    }
    return 0;
}

int csb__hooks_fail_busy(csb_error **err) {
    csb__fail(err, CSB_EBUSY,
              "another program listens for the hooks of these VMs and takes no subscribers");
    csb__error_set_hint(err, "claude-hooks-server restart");
    return CSB_EBUSY;
}

int csb__hooks_lock(struct csb__env *env, int *ret_fd, csb_error **err) {
    CSB__AUTOFREE char *dir = csb__hooks_dir(env);
    CSB__AUTOFREE char *path = dir ? csb__path_join(dir, "lock") : NULL;
    CSB__AUTOCLOSE int fd = -1;
    int rc = path ? make_private(dir, err) : csb__fail_nomem(err);

    if (rc != 0) {
        return rc;
    }
    fd = csb__fd_move_up(csb__open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
    if (fd < 0) {
        return csb__fail_errno(err, errno, "can't open the lock %s", path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) {
            return csb__fail_errno(err, errno, "can't lock %s", path);
        }
        return csb__hooks_fail_busy(err);
    }
    *ret_fd = fd;
    fd = -1;
    return 0;
}

/* A socket that a killed server left behind goes; nothing else does. */
static int clear_place(const char *path, csb_error **err) {
    CSB__AUTOCLOSE int fd = -1;
    struct stat st;

    if (lstat(path, &st) != 0) {
        return errno == ENOENT ? 0 : csb__fail_errno(err, errno, "can't use %s", path);
    }
    if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid()) {
        return csb__fail(err, CSB_EEXISTS, "%s is in the way, and not a socket of yours", path);
    }
    fd = csb__unix_connect_at_once(path);
    if (fd >= 0 || (errno != ECONNREFUSED && errno != ENOENT)) {
        return csb__fail(err, CSB_EEXISTS, "somebody listens on %s already", path);
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        return csb__fail_errno(err, errno, "can't remove %s", path);
    }
    return 0;
}

bool csb__hooks_is_locked(const struct csb__env *env) {
    CSB__AUTOFREE char *dir = csb__hooks_dir(env);
    CSB__AUTOFREE char *path = dir ? csb__path_join(dir, "lock") : NULL;
    CSB__AUTOCLOSE int fd = path ? csb__open(path, O_RDWR | O_NOFOLLOW, 0) : -1;

    return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

void csb__hooks_sweep(const struct csb__env *env) {
    CSB__AUTOFREE char *dir_path = csb__hooks_dir(env);
    DIR *dir = dir_path ? opendir(dir_path) : NULL;
    const struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        size_t len = strlen(entry->d_name);
        CSB__AUTOFREE char *path = NULL;

        if (len == 13 && strcmp(entry->d_name + 8, ".sock") == 0) {
            path = csb__path_join(dir_path, entry->d_name);
        }
        if (path) {
            (void)clear_place(path, NULL);
        }
    }
    if (dir) {
        closedir(dir);
    }
}

static int bind_and_listen(struct csb__endpoint *e, csb_error **err) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct stat st;

    strcpy(addr.sun_path, e->path);
    e->fd = csb__listener_socket();
    if (e->fd < 0 || bind(e->fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
        return csb__fail_errno(err, errno, "can't make the socket %s", e->path);
    }
    /* The directory is closed, so nobody came in between. */
    if (chmod(e->path, 0600) != 0 || listen(e->fd, SOMAXCONN) != 0 || lstat(e->path, &st) != 0) {
        int saved = errno;

        unlink(e->path);
        return csb__fail_errno(err, saved, "can't listen on %s", e->path);
    }
    e->dev = st.st_dev;
    e->ino = st.st_ino;
    return 0;
}

int csb__endpoint_open(struct csb__endpoint *e, char *path, csb_error **err) {
    int rc;

    *e = (struct csb__endpoint){.path = path, .fd = -1};
    rc = clear_place(path, err);
    if (rc == 0) {
        rc = bind_and_listen(e, err);
    }
    if (rc != 0) {
        csb__cleanup_close(&e->fd);
        free(e->path);
        *e = (struct csb__endpoint)CSB__ENDPOINT_INIT;
    }
    return rc;
}

void csb__endpoint_close(struct csb__endpoint *e) {
    struct stat st;

    if (e->fd >= 0 && lstat(e->path, &st) == 0 && st.st_dev == e->dev && st.st_ino == e->ino) {
        unlink(e->path);
    }
    csb__cleanup_close(&e->fd);
    free(e->path);
    *e = (struct csb__endpoint)CSB__ENDPOINT_INIT;
}
