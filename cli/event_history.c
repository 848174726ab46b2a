/* SPDX-License-Identifier: MIT */
#include "event_history.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "events-"
#define SUFFIX ".jsonl"
/* So much is read at once, from the end; of a longer line, more, but not more than that. */
#define PART_BYTES ((size_t)1 << 20)
#define PART_MAX_BYTES ((size_t)64 << 20)

static int is_log(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);

    return len > strlen(PREFIX SUFFIX) && strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
           strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX) == 0;
}

/* -1 for what is no file. */
static int open_log(const char *path, off_t *size) {
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        close(fd);
        fd = -1;
    }
    *size = fd >= 0 ? st.st_size : 0;
    return fd;
}

static bool read_part(int fd, char *text, size_t len, off_t from) {
    size_t done = 0;

    while (done < len) {
        ssize_t n = pread(fd, text + done, len - done, from + (off_t)done);

        if (n == 0 || (n < 0 && errno != EINTR)) {
            return false;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

struct reading {
    size_t left;
    event_history_fn fn;
    void *userdata;
};

static void read_line(struct reading *r, const char *line, size_t len) {
    json_t *json = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
    const char *when = json_string_value(json_object_get(json, "time"));
    const char *vm = json_string_value(json_object_get(json, "vm"));

    if (when && vm && r->fn(when, vm, json_object_get(json, "event"), r->userdata)) {
        r->left--;
    }
    json_decref(json);
}

static void read_backwards(struct reading *r, const char *text, size_t len) {
    size_t end = len;

    while (end > 0 && r->left > 0) {
        size_t start = end;

        while (start > 0 && text[start - 1] != '\n') {
            start--;
        }
        read_line(r, text + start, end - start);
        end = start > 0 ? start - 1 : 0;
    }
}

/* Whole lines that end at `end`: how many bytes of them; 0: not one, in so many bytes; -1 on failure. */
static off_t read_lines(struct reading *r, int fd, off_t end, size_t size) {
    size_t len = end < (off_t)size ? (size_t)end : size;
    char *text = malloc(len);
    const char *before = NULL;
    off_t done = -1;
    size_t start;

    if (text && read_part(fd, text, len, end - (off_t)len)) {
        before = (off_t)len < end ? memchr(text, '\n', len - 1) : NULL;
        start = before ? (size_t)(before + 1 - text) : 0;
        done = before || (off_t)len == end ? (off_t)(len - start) : 0;
        if (done > 0) {
            read_backwards(r, text + start, len - start);
        }
    }
    free(text);
    return done;
}

static void read_log(struct reading *r, const char *dir, const char *name) {
    size_t size = PART_BYTES;
    char *path;
    off_t end;
    off_t done;
    int fd;

    if (r->left == 0 || asprintf(&path, "%s/%s", dir, name) < 0) {
        return;
    }
    fd = open_log(path, &end);
    free(path);
    while (fd >= 0 && end > 0 && r->left > 0 && size <= PART_MAX_BYTES) {
        done = read_lines(r, fd, end, size);
        if (done < 0) {
            break;
        }
        end -= done;
        size = done > 0 ? PART_BYTES : 2 * size;
    }
    if (fd >= 0) {
        close(fd);
    }
}

/* Their names are in the order of their age. */
void event_history_read(const char *state_dir, size_t n, event_history_fn fn, void *userdata) {
    struct reading r = {.left = n, .fn = fn, .userdata = userdata};
    struct dirent **names = NULL;
    char *dir = NULL;
    int count;

    if (asprintf(&dir, "%s/log", state_dir) < 0) {
        return;
    }
    count = scandir(dir, &names, is_log, alphasort);
    while (count > 0) {
        count--;
        read_log(&r, dir, names[count]->d_name);
        free(names[count]);
    }
    free(names);
    free(dir);
}
