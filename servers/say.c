/* SPDX-License-Identifier: MIT */
/* Words: for the user, for the log, and what `status` tells. */
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <claudesandbox/version.h>

#include "internal.h"
#include "safe_text.h"

struct daemon_report {
    FILE *out;
    bool json;
};

void daemon__put_safe(FILE *out, const char *text) {
    safe_text_put(out, text, strlen(text));
}

int daemon_fail(struct daemon *d, const char *fmt, ...) {
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(d->reason, sizeof(d->reason), fmt, ap);
    va_end(ap);
    return -1;
}

const char *daemon_reason(const struct daemon *d) {
    return d->reason;
}

int daemon_fail_error(struct daemon *d, csb_error *err) {
    const char *hint = csb_error_hint(err);

    daemon_fail(d, "%s%s%s", csb_error_message(err), *hint ? "; " : "", hint);
    csb_error_free(err);
    return -1;
}

void daemon_say(const struct daemon *d, const char *fmt, ...) {
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fprintf(stderr, "%s: ", d->program->name);
    daemon__put_safe(stderr, text);
    fputc('\n', stderr);
}

/* Somebody may cause lines without end: two files of this size is all they get. */
static void keep_log_small(struct daemon *d) {
    struct stat st;

    if (d->in_background && fstat(STDERR_FILENO, &st) == 0 && st.st_size > LOG_MAX_BYTES) {
        (void)daemon__open_log(d);
    }
}

void daemon_log(struct daemon *d, const char *fmt, ...) {
    char text[1024];
    char when[32] = "";
    struct tm tm;
    time_t now = time(NULL);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    keep_log_small(d);
    if (gmtime_r(&now, &tm)) {
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
    fprintf(stderr, "%s%s ", d->in_background ? when : d->program->name,
            d->in_background ? "" : ":");
    daemon__put_safe(stderr, text);
    fputc('\n', stderr);
}

static void put_json_string(FILE *out, const char *text) {
    fputc('"', out);
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;

        if (c == '"' || c == '\\') {
            fprintf(out, "\\%c", c);
        } else if (c < 0x20 || c == 0x7f) {
            fprintf(out, "\\u%04x", c);
        } else {
            fputc(c, out);
        }
    }
    fputc('"', out);
}

void daemon_report_text(struct daemon_report *r, const char *key, const char *value) {
    if (r->json) {
        char clean[1024] = "";
        FILE *out = fmemopen(clean, sizeof(clean) - 1, "w");

        if (out) {
            daemon__put_safe(out, value);
            fclose(out);
        }
        fprintf(r->out, ",\"%s\":", key);
        put_json_string(r->out, clean);
    } else {
        fprintf(r->out, "%s: ", key);
        daemon__put_safe(r->out, value);
        fputc('\n', r->out);
    }
}

void daemon_report_number(struct daemon_report *r, const char *key, int64_t value) {
    fprintf(r->out, r->json ? ",\"%s\":%lld" : "%s: %lld\n", key, (long long)value);
}

void daemon_report_time(struct daemon_report *r, const char *key, int64_t value) {
    char text[64] = "";
    time_t when = (time_t)value;
    struct tm tm;

    if (r->json) {
        daemon_report_number(r, key, value);
    } else if (localtime_r(&when, &tm)) {
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
        daemon_report_text(r, key, text);
    }
}

void daemon__status_text(struct daemon *d, bool json, FILE *out) {
    struct daemon_report r = {out, json};

    if (json) {
        fprintf(out, "{\"schema\":1,\"name\":\"%s\",\"running\":true", d->program->name);
    } else {
        fprintf(out, "%s: running\n", d->program->name);
    }
    daemon_report_number(&r, "pid", getpid());
    daemon_report_time(&r, "since", d->since);
    daemon_report_text(&r, "version", csb_version());
    if (d->program->status) {
        d->program->status(d, &r);
    }
    if (json) {
        fputs("}\n", out);
    }
}
