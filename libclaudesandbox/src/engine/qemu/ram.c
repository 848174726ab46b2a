/* SPDX-License-Identifier: MIT */
#include "engine/qemu/ram.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/posix.h"

#define PAGE 4096
#define NAME "claudesandbox-ram"
/* Between two looks whether the call must end. */
#define STEP ((size_t)16 << 20)

struct view {
    char *at;
    size_t len;
};

static void view_close(struct view *v) {
    if (v->at) {
        munmap(v->at, v->len);
    }
}

#define AUTOVIEW CSB__CLEANUP(view_close) struct view

int csb__ram_new(uint64_t bytes, int *ret_fd, csb_error **err) {
    CSB__AUTOCLOSE int fd = memfd_create(NAME, MFD_CLOEXEC);

    if (fd >= 0) {
        fd = csb__fd_move_up(fd);
    }
    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0) {
        return csb__fail_errno(err, errno, "can't make the VM's memory");
    }
    *ret_fd = fd;
    fd = -1;
    return 0;
}

static int open_view(int fd, uint64_t bytes, int prot, struct view *ret, csb_error **err) {
    void *at = mmap(NULL, (size_t)bytes, prot, MAP_SHARED, fd, 0);

    if (at == MAP_FAILED) {
        return csb__fail_errno(err, errno, "can't look into the VM's memory");
    }
    *ret = (struct view){.at = at, .len = (size_t)bytes};
    return 0;
}

/* The next stretch of data from `from`: [*begin, *end); false when there is no more. */
static bool next_data(int fd, uint64_t from, uint64_t *begin, uint64_t *end) {
    off_t at = lseek(fd, (off_t)from, SEEK_DATA);
    off_t hole = at < 0 ? -1 : lseek(fd, at, SEEK_HOLE);

    if (at < 0 || hole < 0) {
        return false;
    }
    *begin = (uint64_t)at;
    *end = (uint64_t)hole;
    return true;
}

static bool is_zero(const char *page, size_t n) {
    return page[0] == 0 && memcmp(page, page + 1, n - 1) == 0;
}

static int write_at(int fd, const char *bytes, size_t n, uint64_t at, csb_error **err) {
    while (n > 0) {
        ssize_t done = pwrite(fd, bytes, n, (off_t)at);

        if (done < 0 && errno != EINTR) {
            return csb__fail_errno(err, errno, "can't keep the VM's memory");
        }
        done = done > 0 ? done : 0;
        bytes += done;
        at += (uint64_t)done;
        n -= (size_t)done;
    }
    return 0;
}

/* Runs of pages that are not zero, each in one write. */
static int save_stretch(const struct view *ram, uint64_t begin, uint64_t end, int to,
                        csb_error **err) {
    int rc = 0;

    while (rc == 0 && begin < end) {
        uint64_t stop;

        while (begin < end && is_zero(ram->at + begin, PAGE)) {
            begin += PAGE;
        }
        for (stop = begin; stop < end && !is_zero(ram->at + stop, PAGE); stop += PAGE) {
        }
        rc = write_at(to, ram->at + begin, (size_t)(stop - begin), begin, err);
        begin = stop;
    }
    return rc;
}

int csb__ram_save(struct csb__env *env, int fd, uint64_t bytes, const char *path, csb_error **err) {
    CSB__AUTOCLOSE int to = csb__open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    AUTOVIEW ram = {0};
    uint64_t begin = 0;
    uint64_t end = 0;
    int rc;

    if (to < 0 || ftruncate(to, (off_t)bytes) != 0) {
        return csb__fail_errno(err, errno, "can't write %s", path);
    }
    rc = open_view(fd, bytes, PROT_READ, &ram, err);
    while (rc == 0 && next_data(fd, end, &begin, &end)) {
        end = end - begin > STEP ? begin + STEP : end;
        rc = save_stretch(&ram, begin, end, to, err);
        if (rc == 0) {
            rc = csb__env_check(env, "keeping the VM's memory", err);
        }
    }
    return rc;
}

static int load_stretch(int from, struct view *ram, uint64_t begin, uint64_t end, csb_error **err) {
    while (begin < end) {
        ssize_t n = pread(from, ram->at + begin, (size_t)(end - begin), (off_t)begin);

        if (n == 0 || (n < 0 && errno != EINTR)) {
            return csb__fail_errno(err, n < 0 ? errno : EIO, "can't read the VM's memory");
        }
        begin += n > 0 ? (uint64_t)n : 0;
    }
    return 0;
}

int csb__ram_load(struct csb__env *env, const char *path, int fd, uint64_t bytes, csb_error **err) {
    CSB__AUTOCLOSE int from = csb__open(path, O_RDONLY | O_NOFOLLOW, 0);
    AUTOVIEW ram = {0};
    struct stat st;
    uint64_t begin = 0;
    uint64_t end = 0;
    int rc;

    if (from < 0 || fstat(from, &st) != 0) {
        return csb__fail_errno(err, errno, "can't read %s", path);
    }
    if ((uint64_t)st.st_size != bytes) {
        return csb__fail(err, CSB_EPROTOCOL, "%s has the wrong size", path);
    }
    rc = open_view(fd, bytes, PROT_READ | PROT_WRITE, &ram, err);
    while (rc == 0 && next_data(from, end, &begin, &end)) {
        end = end - begin > STEP ? begin + STEP : end;
        rc = load_stretch(from, &ram, begin, end, err);
        if (rc == 0) {
            rc = csb__env_check(env, "filling the VM's memory", err);
        }
    }
    return rc;
}

/* As proc(5) shows a file that memfd_create(2) made. */
static bool is_ram(int dir, const char *name) {
    static const char expected[] = "/memfd:" NAME " ";
    char target[128];
    ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

    target[n > 0 ? n : 0] = '\0';
    return strncmp(target, expected, sizeof(expected) - 1) == 0;
}

int csb__ram_of(pid_t pid, int *ret_fd, csb_error **err) {
    CSB__AUTOCLOSEDIR DIR *dir = NULL;
    struct dirent *entry;
    char path[64];

    snprintf(path, sizeof(path), "/proc/%ld/fd", (long)pid);
    dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        if (is_ram(dirfd(dir), entry->d_name)) {
            *ret_fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
            return *ret_fd >= 0 ? 0 : csb__fail_errno(err, errno, "can't open the VM's memory");
        }
    }
    return csb__fail(err, CSB_EENGINE, "the memory of the VM's process %ld is not to be found",
                     (long)pid);
}
