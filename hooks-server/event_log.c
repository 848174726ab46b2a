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
/* Of an event whose strings are cut there is room for so many of full length. */
#define STRINGS_MAX 32
/* The most that becomes of a byte: DEL, as \u007f. */
#define ESCAPE_MAX 6

int event_log_open(struct event_log *log, struct daemon *d) {
    *log = (struct event_log){.fd = -1};
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
static void remove_old(const struct event_log *log, int keep) {
    struct dirent **names = NULL;
    int n = scandir(log->dir, &names, is_log, alphasort);
    char *path;

    for (int i = 0; i < n; i++) {
        if (i < n - keep && asprintf(&path, "%s/%s", log->dir, names[i]->d_name) >= 0) {
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

static void open_file(struct event_log *log, const struct config *config) {
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
    remove_old(log, config->log_files);
}

/* The file is full: it stays until the next one is. */
static void put_aside(struct event_log *log, const struct config *config) {
    char *from = path_of(log, "");
    char *to = path_of(log, ".1");

    close_file(log);
    if (from && to) {
        rename(from, to);
    }
    free(from);
    free(to);
    open_file(log, config);
}

static void write_line(struct event_log *log, struct daemon *d, const struct config *config,
                       const char *line, size_t len) {
    ssize_t n;

    if (log->fd >= 0 && log->size > 0 && log->size + (int64_t)len > config->log_size) {
        put_aside(log, config);
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

/* The event with its strings cut, or whole; to be freed. */
static char *shorten_event(const struct config *config, const csb_event *event, size_t *len) {
    const char *json = csb_event_json(event, len);
    size_t size = config->log_bodies ? ESCAPE_MAX * *len + 1 : STRINGS_MAX * config->log_field;
    char *data = malloc(size);

    if (data &&
        shorten_json(json, *len, config->log_bodies ? *len : config->log_field, data, size) == 0) {
        memcpy(data, "null", sizeof("null"));
    }
    return data;
}

/* The name of the file for that day. */
static void turn_to(struct event_log *log, const struct config *config, const struct tm *tm) {
    char day[sizeof(log->day)];

    strftime(day, sizeof(day), "%Y-%m-%d", tm);
    if (log->fd < 0 || strcmp(day, log->day) != 0) {
        close_file(log);
        memcpy(log->day, day, sizeof(day));
        open_file(log, config);
    }
}

/* VM names need no escapes, and the event is JSON already. */
void event_log_add(struct event_log *log, struct daemon *d, const struct config *config,
                   const csb_event *event) {
    char when[32];
    struct timespec now;
    struct tm tm;
    size_t len;
    char *data = shorten_event(config, event, &len);
    char *line = NULL;
    int n = -1;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
    turn_to(log, config, &tm);
    if (data) {
        n = asprintf(&line, "{\"time\":\"%s.%03ldZ\",\"vm\":\"%s\",\"bytes\":%zu,\"event\":%s}\n",
                     when, now.tv_nsec / 1000000, csb_event_vm(event), len, data);
    }
    if (n >= 0) {
        write_line(log, d, config, line, (size_t)n);
        free(line);
    }
    free(data);
}
