/* SPDX-License-Identifier: MIT */
/*
 * Claude Code (2.1.330) keeps sessions/PID.json in its configuration directory for each of its
 * processes that has a session, headless ones too, and removes it at the end. No document tells of
 * it. "status" in it is "busy", "waiting" (in a dialog, "waitingFor" says for what), "idle", or
 * "shell": idle, and something that it began runs on in the background. It follows what hooks don't
 * tell, as the user's Esc. "procStart" is field 22 of /proc/PID/stat, so what a killed one left behind
 * is not taken for another process of that number.
 */
#include "guest/activity.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <claudesandbox/claude.h>

#include "core/json.h"
#include "guest/script.h"
#include "guest/ssh.h"

/* Sessions and processes of Claude in one guest. */
#define LINES_MAX 256

/*
 * "session PID START FILE" for each session whose process lives, START as procStart; "claude PID
 * PARENT" for each process of Claude that has no such file; and "end". A process may have been told
 * to keep its files elsewhere, which its environment shows. Globbing is all that needs no program.
 */
static const char script[] =
    "dir=${CLAUDE_CONFIG_DIR:-$HOME/.claude}/sessions\n"
    "look() {\n"
    "    IFS= read -r stat 2>/dev/null <\"/proc/$1/stat\" || return 1\n"
    "    set -- ${stat##*) }\n"
    "    state=$1 parent=$2 start=${20}\n"
    "    case $state in [ZX]) return 1 ;; esac\n"
    "}\n"
    "session() {\n"
    "    printf 'session %s %s ' \"$1\" \"$start\"\n"
    "    head -c 65536 \"$2\" | tr '\\n' ' '\n"
    "    echo\n"
    "}\n"
    "for file in \"$dir\"/*.json; do\n"
    "    pid=${file##*/} pid=${pid%.json}\n"
    "    case $pid in '' | *[!0-9]*) continue ;; esac\n"
    "    [ -f \"$file\" ] && look \"$pid\" && session \"$pid\" \"$file\"\n"
    "done\n"
    "for file in /proc/[0-9]*/comm; do\n"
    "    IFS= read -r name 2>/dev/null <\"$file\" && [ \"$name\" = claude ] || continue\n"
    "    at=${file%/comm} pid=${at##*/}\n"
    "    [ -O \"$at\" ] && ! [ -f \"$dir/$pid.json\" ] && look \"$pid\" || continue\n"
    "    own=$(tr '\\0' '\\n' 2>/dev/null <\"$at/environ\" |\n"
    "        sed -n 's/^CLAUDE_CONFIG_DIR=//p' | head -n 1)\n"
    "    if [ -n \"$own\" ] && [ -f \"$own/sessions/$pid.json\" ]; then\n"
    "        session \"$pid\" \"$own/sessions/$pid.json\"\n"
    "    else\n"
    "        echo \"claude $pid $parent\"\n"
    "    fi\n"
    "done\n"
    "echo end\n";

void csb__activity_script(struct csb__strbuf *out) {
    csb__strbuf_puts(out, "exec /bin/sh -c ");
    csb__shell_quote(out, script);
}

struct line {
    bool is_session;
    int64_t pid;
    int64_t number; /* start or parent */
    const char *rest;
    size_t rest_len;
};

struct told {
    struct line lines[LINES_MAX];
    size_t n;
};

/* A number and a blank or the end behind it. */
static bool take_number(const char **p, const char *end, int64_t *ret) {
    int64_t n = 0;
    const char *start = *p;

    for (; *p < end && **p >= '0' && **p <= '9' && *p - start < 18; (*p)++) {
        n = n * 10 + (**p - '0');
    }
    if (*p == start || (*p < end && **p != ' ')) {
        return false;
    }
    *p += *p < end;
    *ret = n;
    return true;
}

static bool take_word(const char **p, const char *end, const char *word) {
    size_t len = strlen(word);

    if ((size_t)(end - *p) < len || memcmp(*p, word, len) != 0) {
        return false;
    }
    *p += len;
    return true;
}

static bool take_line(const char *p, const char *end, struct line *ret) {
    ret->is_session = take_word(&p, end, "session ");
    if (!ret->is_session && !take_word(&p, end, "claude ")) {
        return false;
    }
    if (!take_number(&p, end, &ret->pid) || !take_number(&p, end, &ret->number)) {
        return false;
    }
    ret->rest = p;
    ret->rest_len = (size_t)(end - p);
    return true;
}

static int take_lines(const char *text, size_t len, struct told *ret, csb_error **err) {
    const char *end = text + len;

    for (const char *p = text; p < end;) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));

        if (!eol) {
            break;
        }
        if (eol - p == 3 && memcmp(p, "end", 3) == 0) {
            return 0;
        }
        if (ret->n == LINES_MAX || !take_line(p, eol, &ret->lines[ret->n])) {
            break;
        }
        ret->n++;
        p = eol + 1;
    }
    return csb__fail(err, CSB_EPROTOCOL, "the VM does not tell what Claude does in it");
}

/* As text today; a later version may make it a number. */
static bool is_of_process(const json_t *json, int64_t start) {
    const json_t *value = json_object_get(json, "procStart");
    const char *text = json_string_value(value);
    char number[24];

    snprintf(number, sizeof(number), "%" PRId64, start);
    return json_is_integer(value) ? json_integer_value(value) == start
           : text                 ? strcmp(text, number) == 0
                                  : true;
}

static int activity_of(const struct line *line) {
    CSB__AUTOJSON *json = NULL;
    const char *status;

    if (csb__json_parse(line->rest, line->rest_len, &json, NULL) != 0) {
        return CSB_ACTIVITY_BUSY; /* in the middle of being written, or of another version */
    }
    if (!is_of_process(json, line->number)) {
        return CSB_ACTIVITY_NONE;
    }
    status = csb__json_string(json, "status", "");
    if (strcmp(status, "idle") == 0 || strcmp(status, "shell") == 0) {
        return CSB_ACTIVITY_IDLE;
    }
    if (strcmp(status, "waiting") == 0) {
        return CSB_ACTIVITY_WAITING;
    }
    /* What looks after sessions is none. */
    if (!*status && strncmp(csb__json_string(json, "kind", ""), "daemon", 6) == 0) {
        return CSB_ACTIVITY_NONE;
    }
    return CSB_ACTIVITY_BUSY;
}

/* Claude runs parts of itself as children, and a child bears its name until it is something else. */
static bool has_parent(const struct told *told, const struct line *line) {
    for (size_t i = 0; i < told->n; i++) {
        if (told->lines[i].pid == line->number) {
            return true;
        }
    }
    return false;
}

int csb__activity_parse(const char *text, size_t len, int *ret, csb_error **err) {
    CSB__AUTOFREE struct told *told = calloc(1, sizeof(*told));
    int highest = CSB_ACTIVITY_NONE;
    int rc = told ? take_lines(text, len, told, err) : csb__fail_nomem(err);

    for (size_t i = 0; rc == 0 && i < told->n; i++) {
        const struct line *line = &told->lines[i];
        int one = line->is_session         ? activity_of(line)
                  : has_parent(told, line) ? CSB_ACTIVITY_NONE
                                           : CSB_ACTIVITY_BUSY;

        highest = one > highest ? one : highest;
    }
    if (rc == 0) {
        *ret = highest;
    }
    return rc;
}

int csb__activity_ask(struct csb__env *env, const struct csb__door *door, int *ret,
                      csb_error **err) {
    CSB__AUTOSTRBUF command = CSB__STRBUF_INIT;
    CSB__AUTORESULT result = {0};
    int rc;

    csb__activity_script(&command);
    if (command.failed) {
        return csb__fail_nomem(err);
    }
    rc = csb__ssh_run(env, door, csb__strbuf_text(&command), NULL, &result, err);
    return rc == 0 ? csb__activity_parse(csb__strbuf_text(&result.out), result.out.len, ret, err)
                   : rc;
}
