/* SPDX-License-Identifier: MIT */
#include "notice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "safe_text.h"
#include "shorten.h"

#ifdef __APPLE__
#define SOUND_MESSAGE "Ping"
#define SOUND_DONE "Glass"
#define SOUND_QUESTION "Ping"
#define SOUND_ERROR "Basso"
#else
/* Of the freedesktop.org sound naming specification. */
#define SOUND_MESSAGE "message-new-instant"
#define SOUND_DONE "complete"
#define SOUND_QUESTION "dialog-question"
#define SOUND_ERROR "dialog-error"
#endif

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

static bool notification(const csb_event *event, struct notice *n) {
    const char *text = csb_event_message(event);

    set_body(n, "", text && *text ? text : "Claude wants to tell you something");
    n->sound = SOUND_MESSAGE;
    return true;
}

static bool stop(const csb_event *event, struct notice *n) {
    (void)event;
    set_body(n, "", "Claude has finished");
    n->sound = SOUND_DONE;
    return true;
}

static bool stop_failure(const csb_event *event, struct notice *n) {
    const char *error = csb_event_string(event, "error");

    set_body(n, "Claude has stopped: ", error && *error ? error : "unknown error");
    n->sound = SOUND_ERROR;
    n->urgency = URGENCY_CRITICAL;
    return true;
}

static bool permission_request(const csb_event *event, struct notice *n) {
    const char *tool = csb_event_tool(event);

    set_body(n, "Claude asks for permission to use ", tool && *tool ? tool : "a tool");
    n->sound = SOUND_QUESTION;
    return true;
}

static const struct {
    const char *event;
    bool (*make)(const csb_event *event, struct notice *n);
} policy[] = {
    {"Notification", notification},
    {"PermissionRequest", permission_request},
    {"Stop", stop},
    {"StopFailure", stop_failure},
};

bool notice_for_event(const csb_event *event, struct notice *ret) {
    const char *session = csb_event_session(event);

    *ret = (struct notice){.urgency = URGENCY_NORMAL};
    for (size_t i = 0; i < sizeof(policy) / sizeof(*policy); i++) {
        if (strcmp(policy[i].event, csb_event_name(event)) == 0) {
            snprintf(ret->key, sizeof(ret->key), "%s/%.100s", csb_event_vm(event),
                     session ? session : "");
            set_title(ret, event);
            return policy[i].make(event, ret);
        }
    }
    return false;
}

void notice_for_test(struct notice *ret) {
    *ret = (struct notice){.key = "/test", .sound = SOUND_MESSAGE, .urgency = URGENCY_NORMAL};
    snprintf(ret->title, sizeof(ret->title), "Claude [test]");
    set_body(ret, "", "Notifications from claude-sandbox look like this.");
}
