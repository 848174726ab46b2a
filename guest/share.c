/* Host directories: waits for the device, makes the mount point, mounts. No process is started. */
#include "guest.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

typedef struct request {
    char tag[33];
    char type[16];
    unsigned long flags;
    char data[512];
    char path[PATH_MAX];
} request;

static const struct {
    const char *name;
    unsigned long flag;
} flag_names[] = {
    {"rw", 0},
    {"ro", MS_RDONLY},
    {"nosuid", MS_NOSUID},
    {"nodev", MS_NODEV},
    {"noexec", MS_NOEXEC},
    {"noatime", MS_NOATIME},
    {"nodiratime", MS_NODIRATIME},
    {"relatime", MS_RELATIME},
};

/* What the kernel wants as flags goes there, the rest stays text for the file system. */
static bool take_option(const char *option, size_t len, request *ret) {
    size_t used = strlen(ret->data);

    for (size_t i = 0; i < sizeof flag_names / sizeof *flag_names; i++) {
        if (strlen(flag_names[i].name) == len && memcmp(flag_names[i].name, option, len) == 0) {
            ret->flags |= flag_names[i].flag;
            return true;
        }
    }
    if (used + len + 2 > sizeof ret->data) {
        return false;
    }
    if (used > 0) {
        ret->data[used++] = ',';
    }
    memcpy(ret->data + used, option, len);
    ret->data[used + len] = '\0';
    return true;
}

static bool take_options(const char *text, request *ret) {
    if (strcmp(text, "-") == 0) {
        return true;
    }
    while (*text) {
        size_t len = strcspn(text, ",");

        if (len > 0 && !take_option(text, len, ret)) {
            return false;
        }
        text += len + (text[len] == ',');
    }
    return true;
}

static bool take_tag(const char *tag, request *ret) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t len = strlen(tag);

    if (len == 0 || len >= sizeof ret->tag || strspn(tag, allowed) != len) {
        return false;
    }
    memcpy(ret->tag, tag, len + 1);
    return true;
}

/* An explanation on failure, NULL when all is well. */
static const char *parse_request(const char *text, request *ret) {
    char copy[CSB_LINE_MAX], *state = NULL;
    const char *tag, *type, *options, *path;

    memset(ret, 0, sizeof *ret);
    if (strlen(text) >= sizeof copy) {
        return "bad-request too long";
    }
    memcpy(copy, text, strlen(text) + 1);
    tag = strtok_r(copy, " ", &state);
    type = strtok_r(NULL, " ", &state);
    options = strtok_r(NULL, " ", &state);
    path = strtok_r(NULL, " ", &state);
    if (!path || strtok_r(NULL, " ", &state)) {
        return "bad-request want TAG TYPE OPTIONS PATH";
    }
    if (!take_tag(tag, ret)) {
        return "bad-request tag";
    }
    if (strcmp(type, "9p") != 0 && strcmp(type, "virtiofs") != 0) {
        return "bad-request type is neither 9p nor virtiofs";
    }
    memcpy(ret->type, type, strlen(type) + 1);
    if (!take_options(options, ret)) {
        return "bad-request options too long";
    }
    if (!path_decode(path, ret->path, sizeof ret->path) || !path_mountable(ret->path)) {
        return "bad-request path";
    }
    return NULL;
}

/* Whether a 9p device with this tag is there. */
static bool tag_present(const char *tag) {
    static const char dir_name[] = "/sys/bus/virtio/drivers/9pnet_virtio";
    DIR *dir = opendir(dir_name);
    struct dirent *entry;
    bool found = false;

    while (dir && !found && (entry = readdir(dir))) {
        char path[512];
        char *its_tag;

        if (strncmp(entry->d_name, "virtio", 6) != 0) {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s/mount_tag", dir_name, entry->d_name);
        its_tag = file_read_value(path, 4096);
        found = its_tag && strcmp(its_tag, tag) == 0;
        free(its_tag);
    }
    if (dir) {
        closedir(dir);
    }
    return found;
}

/* virtiofs has no list of tags before Linux 6.9: there the mount itself is the question. */
static int try_mount(const request *req, const char *target) {
    if (strcmp(req->type, "9p") == 0 && !tag_present(req->tag)) {
        errno = ENXIO;
        return -1;
    }
    return mount(req->tag, target, req->type, req->flags, req->data);
}

static bool is_missing(int error, const request *req) {
    return error == ENXIO || error == ENOENT ||
           (error == EINVAL && strcmp(req->type, "virtiofs") == 0);
}

static long long now_ms(void) {
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* By descriptor, so that no rename below our feet leads the mount elsewhere. */
static int mount_on(const request *req, int dir, unsigned wait_ms) {
    long long deadline = now_ms() + wait_ms;
    char target[64];

    snprintf(target, sizeof target, "/proc/self/fd/%d", dir);
    while (try_mount(req, target) < 0) {
        if (!is_missing(errno, req) || now_ms() >= deadline) {
            return -1;
        }
        sleep_ms(20);
    }
    return 0;
}

int share_mount(const char *text, unsigned wait_ms, char *why, size_t size) {
    char source[128], type[32];
    const char *wrong;
    account user;
    request req;
    int dir, r;

    wrong = parse_request(text, &req);
    if (wrong) {
        snprintf(why, size, "%s", wrong);
        return -1;
    }
    if (mountinfo_find(req.path, source, sizeof source, type, sizeof type)) {
        if (strcmp(source, req.tag) == 0 && strcmp(type, req.type) == 0) {
            return 0;
        }
        snprintf(why, size, "busy something else is mounted there");
        return -1;
    }
    dir = path_make_dir(req.path, account_configured(&user) ? &user : NULL);
    if (dir < 0) {
        snprintf(why, size, "mount-point %s",
                 errno == ENOTDIR || errno == ELOOP
                     ? "a component is not a directory or a symbolic link"
                     : strerror(errno));
        return -1;
    }
    r = mount_on(&req, dir, wait_ms);
    if (r < 0) {
        snprintf(why, size, is_missing(errno, &req) ? "no-device %s" : "mount-failed %s",
                 strerror(errno));
    }
    close(dir);
    return r;
}

int share_umount(const char *encoded_path, char *why, size_t size) {
    char path[PATH_MAX], source[128], type[32];

    if (!path_decode(encoded_path, path, sizeof path) || !path_mountable(path)) {
        snprintf(why, size, "bad-request path");
        return -1;
    }
    if (!mountinfo_find(path, source, sizeof source, type, sizeof type)) {
        return 0;
    }
    if (strcmp(type, "9p") != 0 && strcmp(type, "virtiofs") != 0) {
        snprintf(why, size, "bad-request not a share");
        return -1;
    }
    if (umount2(path, UMOUNT_NOFOLLOW) < 0) {
        snprintf(why, size, errno == EBUSY ? "busy %s" : "umount-failed %s", strerror(errno));
        return -1;
    }
    return 0;
}
