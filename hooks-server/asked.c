/* SPDX-License-Identifier: MIT */
#include "asked.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "safe_text.h"
#include "shorten.h"

/* What is larger is not taken apart: a guest could have us make millions of values of it. */
#define JSON_BYTES_MAX 65536

/* Members of tools' inputs that say what it is about, the most telling first. */
static const char *const telling[] = {"command", "file_path", "notebook_path", "path",
                                      "url",     "query",     "pattern",       "skill"};

/* Their answer is more than a yes, or there is more to read than a notification holds. */
static const char *const not_by_click[] = {"AskUserQuestion", "ExitPlanMode"};

/* Nothing to be seen, though it takes room: with enough of it a command's end is out of sight. */
static bool is_blank(unsigned code) {
    return code == 0xa0 || code == 0xad || code == 0x115f || code == 0x1160 || code == 0x1680 ||
           (code >= 0x2000 && code <= 0x200f) || (code >= 0x2028 && code <= 0x202f) ||
           (code >= 0x205f && code <= 0x206f) || code == 0x2800 || code == 0x3000 ||
           code == 0x3164 || code == 0xfeff || code == 0xffa0;
}

static size_t length(const unsigned char *p) {
    size_t n = 1;

    while ((p[n] & 0xc0) == 0x80) {
        n++;
    }
    return n;
}

static unsigned code_of(const unsigned char *p, size_t n) {
    return n == 2   ? (p[0] & 0x1fU) << 6 | (p[1] & 0x3fU)
           : n == 3 ? (p[0] & 0xfU) << 12 | (p[1] & 0x3fU) << 6 | (p[2] & 0x3fU)
                    : *p;
}

/* Valid UTF-8, on one line: a new line of a command can be seen, blanks are one blank. */
static void put_plain(FILE *f, const char *text) {
    const unsigned char *p = (const unsigned char *)text;
    bool space = false;

    for (size_t n; *p; p += n) {
        n = length(p);
        if (*p == '\n') {
            fputs(" \xe2\x8f\x8e ", f);
        } else if (is_blank(code_of(p, n))) {
            fputc('?', f);
        } else if (*p == ' ' || *p == '\t') {
            if (!space) {
                fputc(' ', f);
            }
        } else {
            safe_text_put(f, (const char *)p, n);
        }
        space = *p == ' ' || *p == '\t' || *p == '\n';
    }
}

static void set_text(struct asked *ret, const char *text) {
    char *plain = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&plain, &len);

    if (f) {
        put_plain(f, text);
        fclose(f);
    }
    if (plain && len < sizeof(ret->text)) {
        memcpy(ret->text, plain, len + 1);
        ret->whole = len > 0;
    } else if (plain) {
        size_t end = shorten_utf8(plain, sizeof(ret->text) - 4);

        snprintf(ret->text, sizeof(ret->text), "%.*s...", (int)end, plain);
    }
    free(plain);
}

static void read_input(struct asked *ret, const json_t *input) {
    char *all;

    for (size_t i = 0; i < sizeof(telling) / sizeof(*telling); i++) {
        const char *text = json_string_value(json_object_get(input, telling[i]));

        if (text && *text) {
            set_text(ret, text);
            return;
        }
    }
    all = json_is_object(input) ? json_dumps(input, JSON_COMPACT) : NULL;
    if (all) {
        set_text(ret, all);
    }
    free(all);
}

void asked_read(const csb_event *event, struct asked *ret) {
    const char *tool = csb_event_tool(event);
    size_t len;
    const char *json = csb_event_json(event, &len);
    json_t *root = len <= JSON_BYTES_MAX ? json_loadb(json, len, 0, NULL) : NULL;

    *ret = (struct asked){.answerable = tool && *tool};
    for (size_t i = 0; tool && i < sizeof(not_by_click) / sizeof(*not_by_click); i++) {
        ret->answerable = ret->answerable && strcmp(tool, not_by_click[i]) != 0;
    }
    read_input(ret, json_object_get(root, "tool_input"));
    json_decref(root);
    ret->answerable = ret->answerable && *ret->text;
}
