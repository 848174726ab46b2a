/* SPDX-License-Identifier: MIT */
/* Claude's settings, which every VM reads: what there would do nothing, or is open to others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"

#define WORD_MAX 1024
#define PATH_SIZE (4096 + 64)
#define MEND_SIZE (2 * PATH_SIZE)

struct settings {
    struct doctor *d;
    const char *dir;
    char *quoted; /* the same for a shell */
};

static void mend_path(const struct settings *s, const char *verb, const char *name, char *out,
                      size_t size) {
    snprintf(out, size, "%s %s%s%s", verb, s->quoted, *name ? "/" : "", name);
}

/* ---- hooks ----------------------------------------------------------------------------------- */

/* The places where a guest has the settings directory. */
static const char *below_settings(const char *word) {
    static const char *const places[] = {"~/.claude/", "$HOME/.claude/", "${HOME}/.claude/",
                                         "/mnt/claude-settings/", NULL};

    for (int i = 0; places[i]; i++) {
        if (strncmp(word, places[i], strlen(places[i])) == 0) {
            return word + strlen(places[i]);
        }
    }
    return NULL;
}

static void check_word(const struct settings *s, const char *event, const char *word) {
    const char *name = below_settings(word);
    size_t dir_len = strlen(s->dir);
    char path[PATH_SIZE + WORD_MAX];
    char mend[MEND_SIZE];

    mend_path(s, "${EDITOR:-vi}", "settings.json", mend, sizeof(mend));
    if (strncmp(word, s->dir, dir_len) == 0 && word[dir_len] == '/') {
        doctor_say(s->d, false, "settings", mend,
                   "the hook of %s names %s, which is not there in a VM: write ~/.claude%s", event,
                   word, word + dir_len);
        return;
    }
    if (!name || !*name) {
        return;
    }
    snprintf(path, sizeof(path), "%s/%s", s->dir, name);
    if (access(path, F_OK) != 0) {
        doctor_say(s->d, false, "settings", mend,
                   "the hook of %s names a file that is not there: %s", event, path);
    }
}

/* The words of a command, as far as that can be told without being a shell. */
static void check_command(const struct settings *s, const char *event, const char *command) {
    static const char ends[] = " \t\n;|&()<>\"'`";
    char word[WORD_MAX];

    while (*command) {
        size_t len = strcspn(command, ends);

        if (len > 0 && len < sizeof(word)) {
            memcpy(word, command, len);
            word[len] = '\0';
            check_word(s, event, word);
        }
        command += len;
        command += strspn(command, ends);
    }
}

static void check_hooks(const struct settings *s, json_t *root) {
    const char *event;
    json_t *matchers;

    json_object_foreach(json_object_get(root, "hooks"), event, matchers) {
        json_t *matcher;
        size_t i;

        json_array_foreach(matchers, i, matcher) {
            json_t *hook;
            size_t k;

            json_array_foreach(json_object_get(matcher, "hooks"), k, hook) {
                const char *command = json_string_value(json_object_get(hook, "command"));

                check_command(s, event, command ? command : "");
            }
        }
    }
}

static void check_json(const struct settings *s) {
    char path[PATH_SIZE];
    char mend[MEND_SIZE];
    json_error_t why;
    json_t *root;

    snprintf(path, sizeof(path), "%s/settings.json", s->dir);
    if (access(path, F_OK) != 0) {
        return;
    }
    mend_path(s, "${EDITOR:-vi}", "settings.json", mend, sizeof(mend));
    root = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (!root) {
        doctor_say(s->d, false, "settings", mend, "%s:%d: %s", path, why.line, why.text);
    } else if (!json_is_object(root)) {
        doctor_say(s->d, false, "settings", mend, "%s is no JSON object", path);
    } else {
        check_hooks(s, root);
    }
    json_decref(root);
}

/* ---- who may read and write them ------------------------------------------------------------- */

static void check_credentials(const struct settings *s) {
    char path[PATH_SIZE];
    char mend[MEND_SIZE];
    struct stat st;

    snprintf(path, sizeof(path), "%s/.credentials.json", s->dir);
    if (lstat(path, &st) != 0) {
        return;
    }
    if (!S_ISREG(st.st_mode)) {
        mend_path(s, "rm", ".credentials.json", mend, sizeof(mend));
        doctor_say(s->d, false, "settings", mend, "%s is no file; a VM may have put it there",
                   path);
    } else if (st.st_mode & 077) {
        mend_path(s, "chmod 600", ".credentials.json", mend, sizeof(mend));
        doctor_say(s->d, false, "settings", mend, "%s can be read by others", path);
    }
}

static bool check_dir(const struct settings *s) {
    char mend[MEND_SIZE];
    struct stat st;

    if (stat(s->dir, &st) != 0) {
        doctor_say(s->d, true, "settings", "", "none yet, in %s", s->dir);
        return false;
    }
    if (st.st_uid != geteuid()) {
        mend_path(s, "sudo chown -R \"$USER\"", "", mend, sizeof(mend));
        doctor_say(s->d, false, "settings", mend, "%s belongs to another user", s->dir);
    } else if (st.st_mode & 022) {
        mend_path(s, "chmod go-w", "", mend, sizeof(mend));
        doctor_say(s->d, false, "settings", mend, "others can write in %s", s->dir);
    }
    return true;
}

void doctor_settings(struct doctor *d) {
    const char *set = getenv("CLAUDE_SANDBOX_SETTINGS");
    const char *given = d->o->settings ? d->o->settings : set && *set ? set : NULL;
    char own[4096];
    struct settings s = {.d = d};
    int before = d->problems;

    snprintf(own, sizeof(own), "%s/.claude", csb_ctx_state_dir(d->ctx));
    s.dir = given ? given : own;
    s.quoted = cli_quote(s.dir);
    if (s.quoted && check_dir(&s)) {
        check_json(&s);
        check_credentials(&s);
        if (d->problems == before) {
            doctor_say(d, true, "settings", "", "%s", s.dir);
        }
    }
    free(s.quoted);
}
