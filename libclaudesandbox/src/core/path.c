/* SPDX-License-Identifier: MIT */
#include "core/path.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/utf8.h"
#include "core/posix.h"

/* The unit of st_blocks, whatever the file system has. */
#define BLOCK 512

char *csb__path_join(const char *dir, const char *name) {
    char *path = NULL;

    if (asprintf(&path, "%s/%s", dir, name) < 0) {
        return NULL;
    }
    return path;
}

char *csb__path_existing(const char *dir, const char *name) {
    char *path = csb__path_join(dir, name);

    if (path && access(path, R_OK) != 0) {
        free(path);
        path = NULL;
    }
    return path;
}

char *csb__path_absolute(const char *path) {
    CSB__AUTOFREE char *cwd = *path == '/' ? NULL : getcwd(NULL, 0);
    CSB__AUTOFREE char *full = NULL;
    char *out;
    char *save = NULL;
    size_t len = 0;

    if (*path != '/' && !cwd) {
        return NULL;
    }
    if (asprintf(&full, "%s/%s", cwd ? cwd : "", path) < 0) {
        full = NULL;
        return NULL;
    }
    out = malloc(strlen(full) + 2);
    if (!out) {
        return NULL;
    }
    out[0] = '\0';
    for (char *part = strtok_r(full, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
        if (strcmp(part, "..") == 0) {
            char *slash = strrchr(out, '/');

            len = slash ? (size_t)(slash - out) : 0;
            out[len] = '\0';
        } else if (strcmp(part, ".") != 0) {
            len += (size_t)sprintf(out + len, "/%s", part);
        }
    }
    if (len == 0) {
        strcpy(out, "/");
    }
    return out;
}

bool csb__path_is_within(const char *path, const char *dir) {
    size_t len = strlen(dir);

    if (strcmp(dir, "/") == 0) {
        return true;
    }
    return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

bool csb__path_is_text(const char *path) {
    return csb__utf8_is_tame(path);
}

char *csb__account_home(void) {
    struct passwd pw;
    struct passwd *found = NULL;
    char buf[4096];

    if (getpwuid_r(getuid(), &pw, buf, sizeof(buf), &found) != 0 || !found || *pw.pw_dir != '/') {
        return NULL;
    }
    return csb__path_absolute(pw.pw_dir);
}

char *csb__home_dir(void) {
    const char *home = getenv("HOME");

    return home && *home == '/' ? csb__path_absolute(home) : csb__account_home();
}

/* 0 or errno: why it could not be made, not what looking for it said. */
static int make_dir(const char *path) {
    struct stat st;
    int saved;

    if (mkdir(path, 0700) == 0) {
        return 0;
    }
    saved = errno;
    if (stat(path, &st) != 0) {
        return saved;
    }
    return S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
}

int csb__mkdirs(const char *path, csb_error **err) {
    CSB__AUTOFREE char *copy = strdup(path);

    if (!copy) {
        return csb__fail_nomem(err);
    }
    for (char *p = *copy == '/' ? copy + 1 : copy;; p++) {
        char c = *p;
        int rc;

        if (c != '/' && c != '\0') {
            continue;
        }
        *p = '\0';
        rc = make_dir(copy);
        if (rc != 0) {
            return csb__fail_errno(err, rc, "can't make the directory %s", copy);
        }
        *p = c;
        if (c == '\0') {
            return 0;
        }
    }
}

static int remove_entries(int dirfd);

static int remove_at(int dirfd, const char *name) {
    struct stat st;
    int fd;
    int rc;

    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? 0 : errno;
    }
    if (!S_ISDIR(st.st_mode)) {
        return unlinkat(dirfd, name, 0) != 0 && errno != ENOENT ? errno : 0;
    }
    fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    rc = remove_entries(fd);
    if (rc == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
        rc = errno;
    }
    return rc;
}

/* Takes ownership of the fd. */
static int remove_entries(int dirfd) {
    CSB__AUTOCLOSEDIR DIR *dir = fdopendir(dirfd);
    struct dirent *entry;
    int rc = 0;

    if (!dir) {
        rc = errno;
        close(dirfd);
        return rc;
    }
    while (rc == 0 && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            rc = remove_at(dirfd, entry->d_name);
        }
    }
    return rc;
}

int csb__remove_tree(const char *path, csb_error **err) {
    int rc = remove_at(AT_FDCWD, path);

    return rc == 0 ? 0 : csb__fail_errno(err, rc, "can't remove %s", path);
}

static uint64_t entries_bytes(int dirfd);

static uint64_t bytes_at(int dirfd, const char *name) {
    struct stat st;
    uint64_t n;
    int fd;

    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return 0;
    }
    n = (uint64_t)st.st_blocks * BLOCK;
    if (S_ISDIR(st.st_mode)) {
        fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        n += fd >= 0 ? entries_bytes(fd) : 0;
    }
    return n;
}

/* Takes ownership of the fd. */
static uint64_t entries_bytes(int dirfd) {
    CSB__AUTOCLOSEDIR DIR *dir = fdopendir(dirfd);
    struct dirent *entry;
    uint64_t n = 0;

    if (!dir) {
        close(dirfd);
        return 0;
    }
    while ((entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            n += bytes_at(dirfd, entry->d_name);
        }
    }
    return n;
}

uint64_t csb__tree_bytes(const char *path) {
    return bytes_at(AT_FDCWD, path);
}

struct count {
    uint64_t left;
    int64_t until;
};

static void count_entries(int dirfd, struct count *c);

static void count_at(int dirfd, const char *name, struct count *c) {
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0) {
        count_entries(fd, c);
    }
}

/* Takes ownership of the fd. */
static void count_entries(int dirfd, struct count *c) {
    CSB__AUTOCLOSEDIR DIR *dir = fdopendir(dirfd);
    struct dirent *entry;

    if (!dir) {
        close(dirfd);
        return;
    }
    if (csb__now_ms() > c->until) {
        c->left = 0;
    }
    while (c->left > 0 && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        c->left--;
        if (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) {
            count_at(dirfd, entry->d_name, c);
        }
    }
}

bool csb__tree_exceeds(const char *path, uint64_t entries, int ms) {
    struct count c = {entries + 1, csb__now_ms() + ms};

    count_at(AT_FDCWD, path, &c);
    return c.left == 0;
}
