/* SPDX-License-Identifier: MIT */
#include "notice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "safe_text.h"
#include "shorten.h"

/* Text of a stranger, as one clean line of at most size - 1 bytes. */
static void copy_clean(char *out, size_t size, const char *text) {
    size_t taken = shorten_utf8(text, size - 1);
    size_t len = 0;
    char *line = strndup(text, taken);
    char *clean = NULL;
    FILE *f = open_memstream(&clean, &len);

    out[0] = '\0';
    if (line && f) {
        for (char *p = line; *p; p++) {
            *p = strchr("\r\n\t", *p) ? ' ' : *p;
        }
        safe_text_put(f, line, strlen(line));
    }
    if (f) {
        fclose(f);
    }
    if (clean) {
        snprintf(out, size, "%s", clean);
    }
    if (text[taken] && len >= 3 && size > 3) {
        size_t end = shorten_utf8(out, size - 4);

        snprintf(out + end, size - end, "...");
    }
    free(clean);
    free(line);
}

/* The last part of a path, which may end in slashes. */
static void copy_base_name(char *out, size_t size, const char *path) {
    size_t end = strlen(path);
    size_t start;

    while (end > 0 && path[end - 1] == '/') {
        end--;
    }
    for (start = end; start > 0 && path[start - 1] != '/'; start--) {
    }
    snprintf(out, size, "%.*s", (int)(end - start), path + start);
}

/* Of what is known on the host: a guest could call itself as another project. */
static void set_title(struct notice *n, const csb_event *event) {
    const char *project = csb_event_project_dir(event);
    char name[256] = "";
    char label[NOTICE_TITLE_MAX - 10];

    if (project) {
        copy_base_name(name, sizeof(name), project);
    }
    copy_clean(label, sizeof(label), *name ? name : csb_event_vm(event));
    snprintf(n->title, sizeof(n->title), "Claude [%s]", label);
}

static void set_body(struct notice *n, const char *start, const char *text) {
    char whole[NOTICE_BODY_MAX * 2];

    snprintf(whole, sizeof(whole), "%s%s", start, text);
    copy_clean(n->body, sizeof(n->body), whole);
}

static void notification(const csb_event *event, struct notice *n) {
    const char *text = csb_event_message(event);

    set_body(n, "", text && *text ? text : "Claude wants to tell you something");
}

static void stop(const csb_event *event, struct notice *n) {
    (void)event;
    set_body(n, "", "Claude has finished");
}

static void stop_failure(const csb_event *event, struct notice *n) {
    const char *error = csb_event_string(event, "error");

    set_body(n, "Claude has stopped: ", error && *error ? error : "unknown error");
}

static void permission_request(const csb_event *event, struct notice *n) {
    const char *tool = csb_event_tool(event);
    struct asked asked;
    size_t len;

    asked_read(event, &asked);
    n->can_ask = asked.answerable;
    n->may_allow = asked.whole;
    snprintf(n->tool, sizeof(n->tool), "%s", tool ? tool : "");
    set_body(n, "Claude asks for permission to use ", *n->tool ? n->tool : "a tool");
    len = strlen(n->body);
    if (*asked.text) {
        snprintf(n->body + len, sizeof(n->body) - len, ": %s", asked.text);
    }
}

static void elicitation(const csb_event *event, struct notice *n) {
    const char *text = csb_event_message(event);

    set_body(n, "A tool asks: ", text && *text ? text : "it wants to know something");
}

static void session_start(const csb_event *event, struct notice *n) {
    (void)event;
    set_body(n, "", "A session has begun");
}

static void session_end(const csb_event *event, struct notice *n) {
    (void)event;
    set_body(n, "", "The session has ended");
}

static void subagent_stop(const csb_event *event, struct notice *n) {
    const char *type = csb_event_string(event, "agent_type");

    set_body(n, "A subagent has finished", "");
    if (type && *type) {
        set_body(n, "A subagent has finished: ", type);
    }
}

static void task_completed(const csb_event *event, struct notice *n) {
    const char *subject = csb_event_string(event, "task_subject");

    set_body(n, "A task is done", "");
    if (subject && *subject) {
        set_body(n, "A task is done: ", subject);
    }
}

static void (*const make[N_EVENTS])(const csb_event *event, struct notice *n) = {
    [EVENT_ELICITATION] = elicitation,
    [EVENT_NOTIFICATION] = notification,
    [EVENT_PERMISSION_REQUEST] = permission_request,
    [EVENT_SESSION_END] = session_end,
    [EVENT_SESSION_START] = session_start,
    [EVENT_STOP] = stop,
    [EVENT_STOP_FAILURE] = stop_failure,
    [EVENT_SUBAGENT_STOP] = subagent_stop,
    [EVENT_TASK_COMPLETED] = task_completed,
};

static void set_manner(struct notice *n, const struct config_event *manner) {
    n->urgency = manner->urgency;
    memcpy(n->sound, manner->sound, sizeof(n->sound));
}

void notice_key(const csb_event *event, char *key, size_t size) {
    const char *session = csb_event_session(event);

    snprintf(key, size, "%s/%.100s", csb_event_vm(event), session ? session : "");
}

bool notice_for_event(const csb_event *event, const struct config *config, struct notice *ret) {
    int id = config_find_event(csb_event_name(event));

    *ret = (struct notice){.unless_focused = config->unless_focused};
    if (id < 0 || !config->events[id].notify) {
        return false;
    }
    notice_key(event, ret->key, sizeof(ret->key));
    snprintf(ret->vm, sizeof(ret->vm), "%s", csb_event_vm(event));
    set_title(ret, event);
    set_manner(ret, &config->events[id]);
    make[id](event, ret);
    return true;
}

void notice_for_test(const struct config *config, struct notice *ret) {
    *ret = (struct notice){.key = "/test"};
    set_manner(ret, &config->events[EVENT_NOTIFICATION]);
    snprintf(ret->title, sizeof(ret->title), "Claude [test]");
    set_body(ret, "", "Notifications from claude-sandbox look like this.");
}
