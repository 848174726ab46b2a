/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "doctor.h"
#include "safe_text.h"

static void print(const struct doctor *d, bool good, const char *check, const char *mend,
                  const char *text) {
    if (good && d->o->quiet) {
        return;
    }
    printf("%s  %-11s  ", good ? "ok " : "BAD", check);
    safe_text_put(stdout, text, strlen(text));
    putchar('\n');
    if (!good && *mend) {
        fputs("                  try: ", stdout);
        safe_text_put(stdout, mend, strlen(mend));
        putchar('\n');
    }
    fflush(stdout);
}

/* What is no UTF-8 can't be in JSON. */
static json_t *string_of(const char *text) {
    json_t *json = json_string(text);

    return json ? json : json_string("(not UTF-8)");
}

void doctor_say(struct doctor *d, bool good, const char *check, const char *mend, const char *fmt,
                ...) {
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    d->problems += good ? 0 : 1;
    if (d->findings) {
        json_array_append_new(d->findings,
                              json_pack("{s:s, s:b, s:o, s:o}", "check", check, "ok", good, "text",
                                        string_of(text), "mend",
                                        good || !*mend ? json_null() : string_of(mend)));
    } else {
        print(d, good, check, mend, text);
    }
}
