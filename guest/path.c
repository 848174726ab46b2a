/* Paths that the host names, walked in a file system where the guest's user may have laid traps. */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int hex(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool path_decode(const char *text, char *buf, size_t size) {
    size_t len = 0;

    for (; *text; text++) {
        int c = (unsigned char)*text;

        if (c == '%') {
            int high = hex(text[1]);
            int low = high < 0 ? -1 : hex(text[2]);

            if (low < 0) {
                return false;
            }
            c = high * 16 + low;
            text += 2;
        }
        if (c == 0 || len + 1 >= size) {
            return false;
        }
        buf[len++] = (char)c;
    }
    buf[len] = '\0';
    return len > 0;
}

/* Whether PATH is DIR or lies in it. */
static bool within(const char *path, const char *dir) {
    size_t len = strlen(dir);

    return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static bool components_plain(const char *path) {
    while (*path == '/') {
        const char *name = path + 1;
        size_t len = strcspn(name, "/");

        if (len == 0 || len > 255 || (len == 1 && name[0] == '.') ||
            (len == 2 && name[0] == '.' && name[1] == '.')) {
            return false;
        }
        path = name + len;
    }
    return *path == '\0';
}

bool path_mountable(const char *path) {
    static const char *const never_in[] = {"/proc", "/sys", "/dev", CSB_RUN_DIR};
    static const char *const never_at[] = {"/usr",   "/etc",  "/bin", "/sbin", "/lib",
                                           "/lib64", "/boot", "/run", "/var",  "/tmp"};

    if (path[0] != '/' || !components_plain(path)) {
        return false;
    }
    for (size_t i = 0; i < sizeof never_in / sizeof *never_in; i++) {
        if (within(path, never_in[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof never_at / sizeof *never_at; i++) {
        if (strcmp(path, never_at[i]) == 0) {
            return false;
        }
    }
    return true;
}

/* Opens NAME in DIR, making it when it is missing. */
static int enter(int dir, const char *name, const account *owner) {
    const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dir, name, flags);

    if (fd >= 0 || errno != ENOENT) {
        return fd;
    }
    if (mkdirat(dir, name, 0755) < 0) {
        return -1;
    }
    if (owner && fchownat(dir, name, owner->uid, owner->gid, AT_SYMLINK_NOFOLLOW) < 0) {
        return -1;
    }
    return openat(dir, name, flags);
}

int path_make_dir(const char *path, const account *owner) {
    char home[64] = "", name[256];
    int dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    size_t done = 0;

    if (owner) {
        snprintf(home, sizeof home, "/home/%s", owner->name);
    }
    while (dir >= 0 && path[done] == '/') {
        size_t len = strcspn(path + done + 1, "/");
        bool below_home = owner && done >= strlen(home) && within(path, home);
        int next;

        if (len >= sizeof name) {
            close(dir);
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(name, path + done + 1, len);
        name[len] = '\0';
        next = enter(dir, name, below_home ? owner : NULL);
        close(dir);
        dir = next;
        done += 1 + len;
    }
    return dir;
}
