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
/* The server makes them half as long. */
#define FILE_MAX_BYTES (16 << 20)

static int is_log(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);

    return len > strlen(PREFIX SUFFIX) && strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
           strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX) == 0;
}

/* What there was when it was opened; NULL when it is no file. */
static char *read_file(const char *path, size_t *len) {
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char *text = NULL;
    struct stat st;
    ssize_t n = 1;

    *len = 0;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= FILE_MAX_BYTES) {
        text = malloc((size_t)st.st_size + 1);
        while (text && n != 0 && *len < (size_t)st.st_size) {
            n = read(fd, text + *len, (size_t)st.st_size - *len);
            if (n < 0 && errno != EINTR) {
                break;
            }
            *len += n > 0 ? (size_t)n : 0;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return text;
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

static void read_log(struct reading *r, const char *dir, const char *name) {
    char *path = NULL;
    char *text = NULL;
    size_t len = 0;

    if (r->left > 0 && asprintf(&path, "%s/%s", dir, name) >= 0) {
        text = read_file(path, &len);
        read_backwards(r, text, len);
        free(text);
        free(path);
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
