/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "safe_text.h"

#define DETAIL_LINES 15

static void put_safe(const char *text, size_t len) {
    safe_text_put(stderr, text, len);
}

void cli_print_safe(const char *text) {
    cli_progress_end();
    fputs("claude-sandbox: ", stderr);
    put_safe(text, strlen(text));
    fputc('\n', stderr);
}

/* The last lines of what a child or a console said. */
static void print_detail(const char *detail) {
    size_t end = strlen(detail);
    size_t start;
    int lines = 0;

    while (end > 0 && strchr("\r\n ", detail[end - 1])) {
        end--;
    }
    for (start = end; start > 0 && lines < DETAIL_LINES; start--) {
        lines += detail[start - 1] == '\n';
    }
    start += lines == DETAIL_LINES ? 1 : 0;
    while (start < end) {
        size_t len = strcspn(detail + start, "\n");

        if (start + len > end) {
            len = end - start;
        }
        if (len > 0 && detail[start + len - 1] == '\r') {
            len--;
        }
        fputs("  | ", stderr);
        put_safe(detail + start, len);
        fputc('\n', stderr);
        start += strcspn(detail + start, "\n") + 1;
    }
}

static int exit_status(int code) {
    switch (code) {
    case CSB_EINVAL:
        return EXIT_USAGE;
    case CSB_ECANCELED:
        return EXIT_INTERRUPTED;
    default:
        return EXIT_SANDBOX;
    }
}

int cli_report(csb_error *err) {
    int code = csb_error_code(err);

    /* Whole, also when several threads have something to say. */
    flockfile(stderr);
    cli_print_safe(csb_error_message(err));
    if (code != CSB_ECANCELED && *csb_error_detail(err)) {
        print_detail(csb_error_detail(err));
    }
    if (*csb_error_hint(err)) {
        fputs("  try: ", stderr);
        put_safe(csb_error_hint(err), strlen(csb_error_hint(err)));
        fputc('\n', stderr);
    }
    funlockfile(stderr);
    csb_error_free(err);
    return exit_status(code);
}

/* What somebody typed may be of any length; what is wrong with it stands behind. */
static void print_shortened(const char *text) {
    const size_t head = 100;
    const size_t tail = 200;
    size_t len = strlen(text);
    char part[512];

    if (len > head + tail) {
        snprintf(part, sizeof(part), "%.*s ... %s", (int)head, text, text + len - tail);
        text = part;
    }
    cli_print_safe(text);
}

int cli_usage_error(const char *fmt, ...) {
    char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0) {
        text = NULL;
    }
    va_end(ap);
    print_shortened(text ? text : "bad usage");
    free(text);
    fputs("  try: claude-sandbox --help\n", stderr);
    return EXIT_USAGE;
}
