/* SPDX-License-Identifier: MIT */
#include "config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "hooks-server.yaml"
#define FILE_MAX 65536

#ifdef __APPLE__
#define CHANGED(st) ((st)->st_ctimespec)
#else
#define CHANGED(st) ((st)->st_ctim)
#endif

static bool is_as_read(const struct config_file *f, const struct stat *st) {
    return f->is_there && f->size == st->st_size && f->inode == st->st_ino &&
           f->changed.tv_sec == CHANGED(st).tv_sec && f->changed.tv_nsec == CHANGED(st).tv_nsec;
}

static bool fail(struct config_file *f, const char *what) {
    snprintf(f->why, sizeof(f->why), "%s", what);
    return false;
}

/* All of the file: what it holds, -1 when that is not to be had. */
static ssize_t read_file(struct config_file *f, char *text, size_t size) {
    int fd = open(f->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    ssize_t n = -1;
    size_t len = 0;

    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        fail(f, fd < 0 ? strerror(errno) : "is no file");
    } else {
        while (len < size && (n = read(fd, text + len, size - len)) > 0) {
            len += (size_t)n;
        }
        if (n < 0) {
            fail(f, strerror(errno));
        } else if (len == size) {
            fail(f, "is larger than 64 KiB");
            n = -1;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return n < 0 ? -1 : (ssize_t)len;
}

static void read_again(struct config_file *f, struct daemon *d) {
    char *text = malloc(FILE_MAX + 1);
    ssize_t len = text ? read_file(f, text, FILE_MAX + 1) : -1;

    if (len >= 0 && config_parse(text, (size_t)len, &f->now, f->why, sizeof(f->why))) {
        f->why[0] = '\0';
        daemon_log(d, "settings: %s", f->path);
    } else {
        daemon_log(d, "%s: %s; the settings from before stay", f->path, f->why);
    }
    free(text);
}

void config_file_look(struct config_file *f, struct daemon *d) {
    struct stat st;

    if (stat(f->path, &st) != 0) {
        if (f->is_there) {
            f->is_there = false;
            f->why[0] = '\0';
            config_defaults(&f->now);
            daemon_log(d, "%s is gone; the defaults hold", f->path);
        }
        return;
    }
    if (!is_as_read(f, &st)) {
        f->is_there = true;
        f->size = st.st_size;
        f->inode = st.st_ino;
        f->changed = CHANGED(&st);
        read_again(f, d);
    }
}

int config_file_open(struct config_file *f, struct daemon *d) {
    *f = (struct config_file){0};
    config_defaults(&f->now);
    if (asprintf(&f->path, "%s/" NAME, csb_ctx_state_dir(daemon_ctx(d))) < 0) {
        f->path = NULL;
        return daemon_fail(d, "out of memory");
    }
    config_file_look(f, d);
    return 0;
}

void config_file_close(struct config_file *f) {
    free(f->path);
    f->path = NULL;
}

void config_file_report(const struct config_file *f, struct daemon_report *r) {
    daemon_report_text(r, "settings", f->path);
    daemon_report_text(r, "settings_state",
                       *f->why       ? f->why
                       : f->is_there ? "in use"
                                     : "not there, defaults in use");
}
