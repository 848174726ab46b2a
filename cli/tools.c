/* SPDX-License-Identifier: MIT */
/* Whether the tools of a tools VM answer. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "rebuild.h"
#include "safe_text.h"

#define LIST_FILE "/usr/local/lib/claude-sandbox/tools"
#define BOOT_MS (60 * 60 * 1000)
#define TOOL_MS (5 * 60 * 1000)
#define COLUMN 10

/* limactl waits ten minutes for a template's scripts and then says that all is ready. */
static const char list_script[] = "if [ -e /mnt/lima-cidata ]; then\n"
                                  "    until [ -e /run/lima-boot-done ]; do sleep 2; done\n"
                                  "fi\n"
                                  "cat " LIST_FILE " 2>/dev/null\n";

/* Not every tool has the one word for it. Of what it says: the line with its name and a number. */
static const char tool_script[] =
    "command -v \"$1\" >/dev/null 2>&1 || { echo 'not found'; exit 127; }\n"
    "for word in --version version -version; do\n"
    "    if out=$(\"$1\" $word 2>&1 </dev/null); then\n"
    "        out=$(printf '%s\\n' \"$out\" | grep -v -i warning)\n"
    "        printf '%s\\n' \"$out\" | grep -i -m 1 \"$1.*[0-9]\" ||\n"
    "            printf '%s\\n' \"$out\" | grep -m 1 '[0-9]' || echo there\n"
    "        exit 0\n"
    "    fi\n"
    "done\n"
    "printf '%s\\n' \"$out\" | grep -m 1 . || echo 'does not run'\n"
    "exit 1\n";

/* What its scripts look at: at the next start there is nothing for them to do. */
static const char complete_script[] = "sudo -n touch /usr/local/lib/claude-sandbox/complete\n";

/* The names in a text that comes from the guest, as far as they are names. */
static int parse_tools(const char *text, char names[][TOOL_NAME_MAX], int max) {
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";
    int n = 0;

    while (*text && n < max) {
        size_t len = strcspn(text, " \t\r\n");

        if (len > 0 && len < TOOL_NAME_MAX && strspn(text, good) >= len && *text != '-') {
            memcpy(names[n], text, len);
            names[n++][len] = '\0';
        }
        text += len;
        text += strspn(text, " \t\r\n");
    }
    return n;
}

static bool speaks_utf8(void) {
    const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (int i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);

        if (value && *value) {
            return strcasestr(value, "UTF-8") || strcasestr(value, "utf8");
        }
    }
    return false;
}

static const char *mark(bool good) {
    if (isatty(STDOUT_FILENO) && speaks_utf8()) {
        return good ? "\xe2\x9c\x93" : "\xe2\x9c\x97";
    }
    return good ? "ok    " : "FAILED";
}

/* One line of the guest's words. */
static void say(struct rebuild *r, const char *tool, char *words, bool good) {
    words[strcspn(words, "\r\n")] = '\0';
    rebuild_log(r, "%s %s: %s", good ? "ok" : "FAILED", tool, words);
    if (!good || !r->o->quiet) {
        printf("%s %-*s ", mark(good), COLUMN, tool);
        safe_text_put(stdout, words, strlen(words));
        putchar('\n');
        fflush(stdout);
    }
}

static int check_one(struct rebuild *r, csb_vm *vm, const char *tool, bool *good, csb_error **err) {
    struct guest_words words;
    int rc = guest_run(vm, tool_script, tool, TOOL_MS, &words, err);

    if (rc == CSB_ETIMEOUT) {
        csb_error_free(*err);
        *err = NULL;
        words = (struct guest_words){"does not answer", 1};
        rc = 0;
    }
    if (rc == 0) {
        *good = words.status == 0;
        say(r, tool, words.text, *good);
    }
    return rc;
}

int rebuild_check_tools(struct rebuild *r, csb_vm *vm, int *bad, csb_error **err) {
    char names[TOOLS_MAX][TOOL_NAME_MAX];
    struct guest_words list;
    struct guest_words words;
    int rc = guest_run(vm, list_script, NULL, BOOT_MS, &list, err);
    /* Without a list: what a VM of ours can't do without. */
    const char *text = rc == 0 && *list.text ? list.text : "claude";
    int n = rc == 0 ? parse_tools(text, names, TOOLS_MAX) : 0;

    cli_progress_end();
    *bad = 0;
    for (int i = 0; rc == 0 && i < n; i++) {
        bool good = false;

        rc = check_one(r, vm, names[i], &good, err);
        *bad += rc == 0 && !good;
    }
    if (rc == 0 && *bad == 0 && *list.text) {
        rc = guest_run(vm, complete_script, NULL, TOOL_MS, &words, err);
    }
    return rc;
}
