/* SPDX-License-Identifier: MIT */
#include "core/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/utf8.h"

#define DETAIL_MAX 8192

struct csb_error {
    int code;
    int errnum;
    int exit_status;
    char *message;
    char *hint;
    char *detail;
    bool is_static;
};

/* Stands in when there is no memory to describe the lack of memory. */
static csb_error no_memory = {
    .code = CSB_ENOMEM,
    .exit_status = -1,
    .message = (char *)"out of memory",
    .is_static = true,
};

static csb_error *new_error(int code, int errnum, char *message) {
    csb_error *e = message ? calloc(1, sizeof(*e)) : NULL;

    if (!e) {
        free(message);
        return &no_memory;
    }
    e->code = code;
    e->errnum = errnum;
    e->exit_status = -1;
    e->message = message;
    return e;
}

/* Guests, files and paths are quoted in messages, which people print as they are. */
CSB__PRINTF(1, 0)
static char *format(const char *fmt, va_list ap) {
    char *text = NULL;

    if (vasprintf(&text, fmt, ap) < 0) {
        return NULL;
    }
    csb__utf8_tame(text);
    return text;
}

int csb__fail(csb_error **err, int code, const char *fmt, ...) {
    va_list ap;

    if (err && !*err) {
        va_start(ap, fmt);
        *err = new_error(code, 0, format(fmt, ap));
        va_end(ap);
    }
    return code;
}

/* There are two strerror_r(): GNU's returns the text, POSIX's fills the buffer. */
static const char *describe(int errnum, char *buf, size_t size) {
#ifdef __GLIBC__
    return strerror_r(errnum, buf, size);
#else
    return strerror_r(errnum, buf, size) == 0 ? buf : "unknown error";
#endif
}

int csb__fail_errno(csb_error **err, int errnum, const char *fmt, ...) {
    int code = errnum == ENOMEM ? CSB_ENOMEM : CSB_ESYSTEM;
    char buf[128] = "";
    char *what;
    char *text = NULL;
    va_list ap;

    if (!err || *err) {
        return code;
    }
    va_start(ap, fmt);
    what = format(fmt, ap);
    va_end(ap);
    if (what && asprintf(&text, "%s: %s", what, describe(errnum, buf, sizeof(buf))) < 0) {
        text = NULL;
    }
    free(what);
    *err = new_error(code, errnum, text);
    return code;
}

int csb__fail_nomem(csb_error **err) {
    if (err && !*err) {
        *err = &no_memory;
    }
    return CSB_ENOMEM;
}

void csb__error_prepend(csb_error **err, const char *fmt, ...) {
    char *what;
    char *text = NULL;
    va_list ap;

    if (!err || !*err || (*err)->is_static) {
        return;
    }
    va_start(ap, fmt);
    what = format(fmt, ap);
    va_end(ap);
    if (what && asprintf(&text, "%s: %s", what, (*err)->message) >= 0) {
        free((*err)->message);
        (*err)->message = text;
    }
    free(what);
}

void csb__error_set_hint(csb_error **err, const char *fmt, ...) {
    char *text;
    va_list ap;

    if (!err || !*err || (*err)->is_static) {
        return;
    }
    va_start(ap, fmt);
    text = format(fmt, ap);
    va_end(ap);
    if (text) {
        free((*err)->hint);
        (*err)->hint = text;
    }
}

void csb__error_set_child(csb_error **err, int exit_status, const char *detail, size_t len) {
    if (!err || !*err || (*err)->is_static) {
        return;
    }
    if (len > DETAIL_MAX) {
        detail += len - DETAIL_MAX;
        len = DETAIL_MAX;
    }
    (*err)->exit_status = exit_status;
    free((*err)->detail);
    (*err)->detail = detail ? strndup(detail, len) : NULL;
}

int csb__error_propagate(csb_error **err, csb_error *from) {
    int code = csb_error_code(from);

    if (err && !*err) {
        *err = from;
    } else {
        csb_error_free(from);
    }
    return code;
}

int csb_error_code(const csb_error *err) {
    return err ? err->code : 0;
}

const char *csb_error_message(const csb_error *err) {
    return err ? err->message : "";
}

const char *csb_error_hint(const csb_error *err) {
    return err && err->hint ? err->hint : "";
}

int csb_error_errno(const csb_error *err) {
    return err ? err->errnum : 0;
}

int csb_error_exit_status(const csb_error *err) {
    return err ? err->exit_status : -1;
}

const char *csb_error_detail(const csb_error *err) {
    return err && err->detail ? err->detail : "";
}

const char *csb_error_name(int code) {
    switch (code) {
#define CASE(value, name, text)                                                                    \
    case CSB_##name:                                                                               \
        return #name;
        CSB_ERROR_MAP(CASE)
#undef CASE
    default:
        return "UNKNOWN";
    }
}

const char *csb_strerror(int code) {
    switch (code) {
#define CASE(value, name, text)                                                                    \
    case CSB_##name:                                                                               \
        return text;
        CSB_ERROR_MAP(CASE)
#undef CASE
    default:
        return "unknown error";
    }
}

void csb_error_free(csb_error *err) {
    if (!err || err->is_static) {
        return;
    }
    free(err->message);
    free(err->hint);
    free(err->detail);
    free(err);
}
