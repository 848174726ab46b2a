/* SPDX-License-Identifier: MIT */
#include "hooks/event.h"

#include <string.h>

static bool add_member(struct csb__json_slice key, struct csb__json_slice value, void *userdata) {
    csb_event *e = userdata;

    /* Two programs that read one text must not read two things. */
    for (size_t i = 0; i < e->n_members; i++) {
        if (csb__json_same(e->members[i].key, key)) {
            return false;
        }
    }
    if (e->n_members < CSB__EVENT_MEMBERS_MAX) {
        e->members[e->n_members++] = (struct csb__event_member){key, value, NULL};
    }
    return true;
}

int csb__event_parse(const char *vm, const char *json, size_t len, csb_event *ret,
                     csb_error **err) {
    csb_event e = {.vm = vm, .json = json, .len = len};

    e.members = calloc(CSB__EVENT_MEMBERS_MAX, sizeof(*e.members));
    if (!e.members) {
        return csb__fail_nomem(err);
    }
    if (!csb__json_scan(json, len, add_member, &e)) {
        csb__event_finish(&e);
        return csb__fail(err, CSB_EPROTOCOL, "an event that is no JSON object");
    }
    *ret = e;
    return 0;
}

void csb__event_finish(csb_event *event) {
    for (size_t i = 0; i < event->n_members; i++) {
        free(event->members[i].text);
    }
    free(event->members);
    *event = (csb_event){0};
}

const char *csb_event_string(const csb_event *event, const char *key) {
    for (size_t i = 0; i < event->n_members; i++) {
        struct csb__event_member *m = &event->members[i];

        if (csb__json_is(m->key, key)) {
            if (!m->text) {
                m->text = csb__json_decode(m->value);
            }
            return m->text;
        }
    }
    return NULL;
}

const char *csb_event_vm(const csb_event *event) {
    return event->vm;
}

const char *csb_event_project_dir(const csb_event *event) {
    return event->project;
}

const char *csb_event_name(const csb_event *event) {
    const char *name = csb_event_string(event, "hook_event_name");

    return name ? name : "";
}

const char *csb_event_session(const csb_event *event) {
    return csb_event_string(event, "session_id");
}

const char *csb_event_cwd(const csb_event *event) {
    return csb_event_string(event, "cwd");
}

const char *csb_event_tool(const csb_event *event) {
    return csb_event_string(event, "tool_name");
}

const char *csb_event_message(const csb_event *event) {
    return csb_event_string(event, "message");
}

const char *csb_event_title(const csb_event *event) {
    return csb_event_string(event, "title");
}

const char *csb_event_notification_type(const csb_event *event) {
    return csb_event_string(event, "notification_type");
}

uint64_t csb_event_lost(const csb_event *event) {
    return event->lost;
}

const char *csb_event_json(const csb_event *event, size_t *len) {
    if (len) {
        *len = event->len;
    }
    return event->json;
}
