/* SPDX-License-Identifier: MIT */
#include "event_words.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "safe_text.h"
#include "shorten.h"

/* A line of JSON at most: its strings are all limited, and an escape takes six bytes. */
#define LINE_MAX_BYTES 8192
#define NAME_MAX_BYTES 128

enum { TEXT_OF_KEY, TEXT_OF_INPUT, TEXT_OF_REQUEST, TEXT_OF_FAILURE, TEXT_OF_NOTIFICATION };

struct meaning {
    const char *event;
    const char *state;
    bool matters;
    const char *before;
    int source;
    const char *key; /* of the text, for TEXT_OF_KEY */
};

/* Any other name may come: it is told in JSON only, and changes nothing. */
static const struct meaning meanings[] = {
    {"Elicitation", "waiting", true, "", TEXT_OF_KEY, "message"},
    {"ElicitationResult", "working", false, "", TEXT_OF_KEY, ""},
    {"Notification", NULL, true, "", TEXT_OF_NOTIFICATION, "message"},
    {"PermissionDenied", "working", false, "", TEXT_OF_INPUT, ""},
    {"PermissionRequest", "waiting", true, "permission to use ", TEXT_OF_REQUEST, ""},
    {"PostCompact", "working", false, "", TEXT_OF_KEY, ""},
    {"PostToolBatch", "working", false, "", TEXT_OF_KEY, ""},
    {"PostToolUse", "working", false, "", TEXT_OF_INPUT, ""},
    {"PostToolUseFailure", "working", false, "", TEXT_OF_KEY, "error"},
    {"PreCompact", "working", true, "compacts the conversation", TEXT_OF_KEY, ""},
    {"PreToolUse", "working", true, "", TEXT_OF_INPUT, ""},
    {"SessionEnd", "ended", true, "", TEXT_OF_KEY, "reason"},
    {"SessionStart", "started", true, "", TEXT_OF_KEY, "source"},
    {"Stop", "done", true, "", TEXT_OF_KEY, "last_assistant_message"},
    {"StopFailure", "failed", true, "", TEXT_OF_FAILURE, "error"},
    {"SubagentStart", "working", true, "subagent ", TEXT_OF_KEY, "agent_type"},
    {"SubagentStop", "working", false, "", TEXT_OF_KEY, "agent_type"},
    {"UserPromptSubmit", "working", true, "", TEXT_OF_KEY, "prompt"},
};
#define N_MEANINGS (sizeof(meanings) / sizeof(*meanings))

/* What a tool is to do, by the first of these that its input has. */
static const char *const telling[] = {"command", "file_path",   "notebook_path", "pattern", "url",
                                      "query",   "description", "skill",         "prompt",  NULL};

static const char *string_of(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

/* A line, cut at a character. */
static void set_text(struct event_words *w, const char *text) {
    size_t len;

    text = text ? text : "";
    len = shorten_utf8(text, EVENT_TEXT_MAX);
    memcpy(w->text, text, len);
    strcpy(w->text + len, text[len] ? "..." : "");
}

static void set_text_of_input(struct event_words *w, const json_t *event) {
    const json_t *input = json_object_get(event, "tool_input");

    for (int i = 0; telling[i]; i++) {
        const char *text = string_of(input, telling[i]);

        if (text) {
            set_text(w, text);
            return;
        }
    }
}

/* Claude's question to the user comes as a tool that needs permission. */
static void set_question(struct event_words *w, const json_t *event) {
    const json_t *all = json_object_get(json_object_get(event, "tool_input"), "questions");
    const char *text = string_of(json_array_get(all, 0), "question");

    if (text && w->tool && strcmp(w->tool, "AskUserQuestion") == 0) {
        w->before = "";
        w->is_question = true;
        set_text(w, text);
    }
}

/* Claude's word for what it can't name says nothing; its last message does. */
static void set_failure(struct event_words *w, const json_t *event) {
    const char *text = string_of(event, "last_assistant_message");

    if (text && *text && (!*w->text || strcmp(w->text, "unknown") == 0)) {
        set_text(w, text);
    }
}

/* Its type may be one that nobody knows: then it is but a message. */
static const char *state_of_notification(const char *type) {
    static const char *const waiting[] = {"permission_prompt", "worker_permission_prompt",
                                          "elicitation_dialog", "agent_needs_input", NULL};

    for (int i = 0; type && waiting[i]; i++) {
        if (strcmp(type, waiting[i]) == 0) {
            return "waiting";
        }
    }
    return type && strcmp(type, "idle_prompt") == 0 ? "done" : NULL;
}

static void take_text(struct event_words *w, const struct meaning *m, const json_t *event) {
    switch (m->source) {
    case TEXT_OF_REQUEST:
        set_text_of_input(w, event);
        set_question(w, event);
        return;
    case TEXT_OF_INPUT:
        set_text_of_input(w, event);
        return;
    case TEXT_OF_FAILURE:
        set_text(w, string_of(event, m->key));
        set_failure(w, event);
        return;
    case TEXT_OF_NOTIFICATION:
        w->state = state_of_notification(string_of(event, "notification_type"));
        break;
    default:
        break;
    }
    set_text(w, string_of(event, m->key));
}

void event_words(const json_t *event, struct event_words *ret) {
    const char *name = string_of(event, "hook_event_name");

    *ret = (struct event_words){.name = name ? name : "", .before = ""};
    ret->session = string_of(event, "session_id");
    ret->tool = string_of(event, "tool_name");
    for (size_t i = 0; i < N_MEANINGS; i++) {
        const struct meaning *m = &meanings[i];

        if (strcmp(ret->name, m->event) == 0) {
            ret->state = m->state;
            ret->matters = m->matters;
            ret->before = m->before;
            take_text(ret, m, event);
            return;
        }
    }
}

/* The log's time is UTC to the millisecond; people want theirs, to the second. */
static void put_local_time(FILE *out, const char *when) {
    struct tm tm = {0};
    char text[32] = "-";
    time_t t;

    if (strptime(when, "%Y-%m-%dT%H:%M:%S", &tm)) {
        t = timegm(&tm);
        if (localtime_r(&t, &tm)) {
            strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
        }
    }
    fputs(text, out);
}

/* On one line. */
static void put_text(FILE *out, const char *text) {
    size_t len = shorten_utf8(text, EVENT_TEXT_MAX + 3);

    for (size_t i = 0; i < len;) {
        size_t n = strcspn(text + i, "\r\n\t");

        n = n < len - i ? n : len - i;
        safe_text_put(out, text + i, n);
        i += n;
        if (i < len) {
            fputc(' ', out);
            i++;
        }
    }
}

static const char *state_words(const char *state) {
    return !state ? "says" : strcmp(state, "waiting") == 0 ? "waits for you" : state;
}

void event_print(FILE *out, const char *when, const char *vm, const struct event_words *words) {
    const char *tool = words->is_question ? NULL : words->tool;

    put_local_time(out, when);
    fputs("  ", out);
    put_text(out, vm);
    fputs("  ", out);
    put_text(out, state_words(words->state));
    if (*words->before || tool || *words->text) {
        fprintf(out, ": %s", words->before);
    }
    if (tool) {
        put_text(out, tool);
    }
    if (*words->text) {
        fputs(tool ? " `" : "", out);
        put_text(out, words->text);
        fputs(tool ? "`" : "", out);
    }
    fputc('\n', out);
}

/* NULL becomes null; of any length, so it is cut. */
static json_t *limited(const char *text) {
    return text ? json_stringn(text, shorten_utf8(text, NAME_MAX_BYTES)) : json_null();
}

int event_print_json(FILE *out, const char *when, const char *vm, const struct event_words *words) {
    json_t *json = json_pack("{s:s, s:s, s:o, s:s?, s:o, s:o, s:s?}", "time", when, "vm", vm,
                             "event", limited(words->name), "state", words->state, "session",
                             limited(words->session), "tool", limited(words->tool), "text",
                             *words->text ? words->text : NULL);
    char *dump = json ? json_dumps(json, JSON_COMPACT) : NULL;
    char line[LINE_MAX_BYTES];
    size_t len = dump ? shorten_json(dump, strlen(dump), LINE_MAX_BYTES, line, sizeof(line)) : 0;

    if (len > 0) {
        fprintf(out, "%s\n", line);
    }
    free(dump);
    json_decref(json);
    return len > 0 ? 0 : -1;
}
