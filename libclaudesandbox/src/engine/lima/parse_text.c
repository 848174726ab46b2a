/* SPDX-License-Identifier: MIT */
/* The parts of limactl's output that are for people: its version and its log lines. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "core/utf8.h"
#include "engine/lima/parse.h"

#define MESSAGE_MAX 500

/* Digits and the dot or end behind them. */
static bool take_number(const char **p, int *ret) {
    int n = 0;
    const char *start = *p;

    for (; **p >= '0' && **p <= '9' && n < 100000; (*p)++) {
        n = n * 10 + (**p - '0');
    }
    *ret = n;
    return *p > start;
}

int csb__lima_parse_version(const char *text, int *major, int *minor, char word[64],
                            csb_error **err) {
    static const char prefix[] = "limactl version ";
    const char *p = text + strlen(prefix);

    if (strncmp(text, prefix, strlen(prefix)) != 0 || *p == '\0' || *p == '\n') {
        return csb__fail(err, CSB_EPROTOCOL, "it is not limactl");
    }
    snprintf(word, 64, "%.*s", (int)strcspn(p, " \r\n"), p);
    for (char *c = word; *c; c++) {
        *c = *c > ' ' && *c < 0x7f ? *c : '?';
    }
    p += *p == 'v';
    if (!take_number(&p, major) || *p++ != '.' || !take_number(&p, minor)) {
        *major = INT_MAX;
        *minor = 0;
    }
    return 0;
}

/* The value of msg="..." in logrus' text form, unquoted as far as a sentence needs. */
static char *unquote(const char *p, size_t len) {
    char *out = malloc(len + 1);
    size_t n = 0;

    for (size_t i = 0; out && i < len && p[i] != '"'; i++) {
        if (p[i] == '\\' && i + 1 < len) {
            i++;
            out[n++] = p[i] == 'n' || p[i] == 't' || p[i] == 'r' ? '\n' : p[i];
        } else {
            out[n++] = p[i];
        }
    }
    if (out) {
        out[n] = '\0';
    }
    return out;
}

enum { PLAIN, ERROR, FATAL };

/* What a line says and how grave it is. */
static char *parse_line(const char *line, size_t len, int *grade) {
    CSB__AUTOJSON *json = NULL;
    CSB__AUTOFREE char *copy = strndup(line, len);
    const char *level;
    const char *msg;

    *grade = PLAIN;
    if (!copy) {
        return NULL;
    }
    if (*copy == '{' && csb__json_parse(line, len, &json, NULL) == 0) {
        level = csb__json_string(json, "level", "");
        *grade = strcmp(level, "fatal") == 0 ? FATAL : strcmp(level, "error") == 0 ? ERROR : PLAIN;
        return strdup(csb__json_string(json, "msg", ""));
    }
    /* Until the flags are read limactl logs as text, whatever --log-format says. */
    msg = strstr(copy, " msg=\"");
    if (msg && strncmp(copy, "time=", 5) == 0) {
        *grade = strstr(copy, " level=fatal ")   ? FATAL
                 : strstr(copy, " level=error ") ? ERROR
                                                 : PLAIN;
        return unquote(msg + 6, strlen(msg + 6));
    }
    *grade = strncmp(copy, "panic: ", 7) == 0 ? FATAL : PLAIN;
    return CSB__STEAL(copy);
}

/* One line for an error's sentence: the first, without what a terminal would act upon. */
static void tidy(char *text) {
    size_t len = strcspn(text, "\n");

    if (len > MESSAGE_MAX) {
        len = MESSAGE_MAX;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
            len--;
        }
    }
    text[len] = '\0';
    for (char *c = text; *c; c++) {
        *c = (unsigned char)*c < 0x20 || *c == 0x7f ? ' ' : *c;
    }
    csb__utf8_tame(text);
}

char *csb__lima_fatal_message(const char *text) {
    CSB__AUTOFREE char *best = NULL;
    int best_grade = PLAIN;

    while (*text) {
        size_t len = strcspn(text, "\n");
        int grade;
        CSB__AUTOFREE char *msg = len > 0 ? parse_line(text, len, &grade) : NULL;

        if (msg) {
            tidy(msg);
        }
        if (msg && *msg && grade >= best_grade) {
            free(best);
            best = CSB__STEAL(msg);
            best_grade = grade;
        }
        text += len + (text[len] == '\n');
    }
    return CSB__STEAL(best);
}
