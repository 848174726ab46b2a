/* SPDX-License-Identifier: MIT */
/* What rebuild-tools-vm writes down, with the time since it began. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "rebuild.h"
#include "safe_text.h"

static int64_t now_ms(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t rebuild_took_ms(const struct rebuild *r) {
    return now_ms() - r->began;
}

/* Much of it is the guest's words, and somebody will read them on a terminal. */
static void put_lines(FILE *out, const char *text) {
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
        size_t len = strcspn(text, "\n");

        safe_text_put(out, text, len > 0 && text[len - 1] == '\r' ? len - 1 : len);
        fputc('\n', out);
    }
}

void rebuild_log(const struct rebuild *r, const char *fmt, ...) {
    int64_t ms = rebuild_took_ms(r);
    char *text = NULL;
    va_list ap;

    fprintf(r->log, "%6lld.%lld  ", (long long)(ms / 1000), (long long)(ms % 1000 / 100));
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0) {
        text = NULL;
    }
    va_end(ap);
    put_lines(r->log, text ? text : "?");
    free(text);
    fflush(r->log);
}

/* The log is also the lock: two that make NAME-new would each take the other's for a leftover, and
 * put in the base's place what the other has only begun. */
int rebuild_log_open(struct rebuild *r, const char *state_dir) {
    char dir[4000];
    int fd;

    r->began = now_ms();
    snprintf(dir, sizeof(dir), "%s/log", state_dir);
    snprintf(r->log_path, sizeof(r->log_path), "%s/rebuild-%s.log", dir, r->name);
    if ((mkdir(state_dir, 0700) == 0 || errno == EEXIST) &&
        (mkdir(dir, 0700) == 0 || errno == EEXIST)) {
        fd = open(r->log_path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && ftruncate(fd, 0) == 0) {
            r->log = fdopen(fd, "w");
        } else if (fd >= 0) {
            bool busy = errno == EWOULDBLOCK;

            close(fd);
            if (busy) {
                cli_print_safe("another process is rebuilding that VM");
                return EXIT_SANDBOX;
            }
        }
    }
    if (!r->log) {
        cli_print_safe("the log can't be written");
        return EXIT_SANDBOX;
    }
    return -1;
}
