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
    static const unsigned ranges[][2] = {
        {0xa0, 0xa0},       {0xad, 0xad},       {0x34f, 0x34f},     {0x61c, 0x61c},
        {0x115f, 0x1160},   {0x1680, 0x1680},   {0x17b4, 0x17b5},   {0x180b, 0x180f},
        {0x2000, 0x200f},   {0x2028, 0x202f},   {0x205f, 0x206f},   {0x2800, 0x2800},
        {0x3000, 0x3000},   {0x3164, 0x3164},   {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},
        {0xffa0, 0xffa0},   {0xfff9, 0xfffb},   {0x1bca0, 0x1bca3}, {0x1d159, 0x1d159},
        {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
    };

    for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
        if (code >= ranges[i][0] && code <= ranges[i][1]) {
            return true;
        }
    }
    return false;
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
           : n == 4
               ? (p[0] & 0x7U) << 18 | (p[1] & 0x3fU) << 12 | (p[2] & 0x3fU) << 6 | (p[3] & 0x3fU)
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

/* Of Claude Code's own tools it is known that these say it all; of others, any member may matter. */
static bool is_its_own(const char *tool) {
    return strncmp(tool, "mcp__", 5) != 0;
}

static void read_input(struct asked *ret, const char *tool, const json_t *input) {
    char *all;

    for (size_t i = 0; is_its_own(tool) && i < sizeof(telling) / sizeof(*telling); i++) {
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

/* As tools are called, and short enough to be shown as a whole. */
static bool is_name(const char *tool) {
    size_t len = strspn(tool, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");

    return len > 0 && len < ASKED_TOOL_MAX && !tool[len];
}

void asked_read(const csb_event *event, struct asked *ret) {
    const char *tool = csb_event_tool(event);
    size_t len;
    const char *json = csb_event_json(event, &len);
    json_t *root = len <= JSON_BYTES_MAX ? json_loadb(json, len, 0, NULL) : NULL;

    *ret = (struct asked){.answerable = tool && is_name(tool)};
    for (size_t i = 0; tool && i < sizeof(not_by_click) / sizeof(*not_by_click); i++) {
        ret->answerable = ret->answerable && strcmp(tool, not_by_click[i]) != 0;
    }
    read_input(ret, tool ? tool : "", json_object_get(root, "tool_input"));
    json_decref(root);
    ret->answerable = ret->answerable && *ret->text;
}
