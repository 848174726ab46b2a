/* SPDX-License-Identifier: MIT */
#include "event_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shorten.h"

#define PREFIX "events-"
#define SUFFIX ".jsonl"
#define FILE_MAX ((int64_t)8 << 20)
#define FILES_MAX 14
#define STRING_MAX 256
#define EVENT_MAX 8192

int event_log_open(struct event_log *log, struct daemon *d) {
    *log = (struct event_log){.fd = -1, .max = FILE_MAX};
    log->dir = daemon_private_dir(d, "log");
    return log->dir ? 0 : -1;
}

static void close_file(struct event_log *log) {
    if (log->fd >= 0) {
        close(log->fd);
        log->fd = -1;
    }
}

void event_log_close(struct event_log *log) {
    close_file(log);
    free(log->dir);
    log->dir = NULL;
}

static int is_log(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);

    return len > strlen(PREFIX SUFFIX) && strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
           strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX) == 0;
}

/* Their names are in the order of their age. */
static void remove_old(const struct event_log *log) {
    struct dirent **names = NULL;
    int n = scandir(log->dir, &names, is_log, alphasort);
    char *path;

    for (int i = 0; i < n; i++) {
        if (i < n - FILES_MAX && asprintf(&path, "%s/%s", log->dir, names[i]->d_name) >= 0) {
            unlink(path);
            free(path);
        }
        free(names[i]);
    }
    free(names);
}

static char *path_of(const struct event_log *log, const char *mark) {
    char *path;

    return asprintf(&path, "%s/" PREFIX "%s%s" SUFFIX, log->dir, log->day, mark) < 0 ? NULL : path;
}

static void open_file(struct event_log *log) {
    char *path = path_of(log, "");
    struct stat st;

    if (path) {
        log->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
                       0600);
    }
    free(path);
    if (log->fd >= 0 && (fstat(log->fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        close_file(log);
    }
    log->size = log->fd >= 0 ? st.st_size : 0;
    remove_old(log);
}

/* The file is full: it stays until the next one is. */
static void put_aside(struct event_log *log) {
    char *from = path_of(log, "");
    char *to = path_of(log, ".1");

    close_file(log);
    if (from && to) {
        rename(from, to);
    }
    free(from);
    free(to);
    open_file(log);
}

static void write_line(struct event_log *log, struct daemon *d, const char *line, size_t len) {
    ssize_t n;

    if (log->fd >= 0 && log->size + (int64_t)len > log->max) {
        put_aside(log);
    }
    n = log->fd < 0 ? -1 : write(log->fd, line, len);
    if (n > 0) {
        log->size += n;
        log->last_errno = 0;
    } else if (errno != log->last_errno) {
        /* Once, and not for each event while the disk is full. */
        log->last_errno = errno;
        daemon_log(d, "can't write the event log: %s", strerror(errno));
    }
}

/* VM names need no escapes, and the event is JSON already. */
void event_log_add(struct event_log *log, struct daemon *d, const csb_event *event) {
    char line[EVENT_MAX + 256];
    char data[EVENT_MAX];
    char when[32];
    char day[sizeof(log->day)];
    struct timespec now;
    struct tm tm;
    size_t len;
    const char *json = csb_event_json(event, &len);
    int n;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
    strftime(day, sizeof(day), "%Y-%m-%d", &tm);
    if (log->fd < 0 || strcmp(day, log->day) != 0) {
        close_file(log);
        memcpy(log->day, day, sizeof(day));
        open_file(log);
    }
    if (shorten_json(json, len, STRING_MAX, data, sizeof(data)) == 0) {
        snprintf(data, sizeof(data), "null");
    }
    n = snprintf(line, sizeof(line),
                 "{\"time\":\"%s.%03ldZ\",\"vm\":\"%s\",\"bytes\":%zu,\"event\":%s}\n", when,
                 now.tv_nsec / 1000000, csb_event_vm(event), len, data);
    write_line(log, d, line, (size_t)n);
}
