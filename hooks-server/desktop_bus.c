/* SPDX-License-Identifier: MIT */
/* org.freedesktop.Notifications over the session bus: no process, and an answer. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "desktop.h"
#include "question.h"

#define SERVICE "org.freedesktop.Notifications"
#define OBJECT "/org/freedesktop/Notifications"
/* The first call may have to start the service. */
#define PATIENCE_US ((uint64_t)5 * 1000000)

static sd_bus *bus;
static int watched = -1;
static struct notice current;
static uint32_t replaces_id;
static bool is_busy;
static bool knows_capabilities;
static bool has_markup;
static bool has_actions;
static struct daemon *owner;

static int begin_notify(void);

static void end(const char *why) {
    is_busy = false;
    if (why) {
        desktop_failed(owner, why);
    }
}

static void withdraw(uint32_t id) {
    if (bus) {
        (void)sd_bus_call_method_async(bus, NULL, SERVICE, OBJECT, SERVICE, "CloseNotification",
                                       NULL, NULL, "u", id);
    }
}

/* What can be answered is not to be found for replacing it. */
static void note_shown(uint32_t id) {
    desktop_shown(current.question ? 0 : id);
    if (current.question && !question_shown(current.question, id)) {
        withdraw(id);
    }
}

static int on_notified(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    const sd_bus_error *refused = sd_bus_message_get_error(m);
    uint32_t id = 0;

    (void)userdata;
    (void)error;
    if (refused) {
        end(refused->message ? refused->message : refused->name);
    } else {
        sd_bus_message_read(m, "u", &id);
        note_shown(id);
        end(NULL);
    }
    return 0;
}

static int on_capabilities(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    const sd_bus_error *refused = sd_bus_message_get_error(m);
    const char *word;

    (void)userdata;
    (void)error;
    if (refused) {
        end(refused->message ? refused->message : refused->name);
        return 0;
    }
    knows_capabilities = true;
    has_markup = false;
    has_actions = false;
    if (sd_bus_message_enter_container(m, 'a', "s") >= 0) {
        while (sd_bus_message_read(m, "s", &word) > 0) {
            has_markup |= strcmp(word, "body-markup") == 0;
            has_actions |= strcmp(word, "actions") == 0;
        }
    }
    if (begin_notify() < 0) {
        end("the call could not be made");
    }
    return 0;
}

/* What would be taken for markup is not, where there is any; elsewhere it would be shown escaped. */
static void escape(char *out, size_t size, const char *text) {
    size_t len = 0;

    for (; *text; text++) {
        const char *piece = *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : "&amp;";
        bool special = strchr("<>&", *text) && has_markup;
        size_t n = special ? strlen(piece) : 1;

        if (len + n + 1 > size) {
            break;
        }
        memcpy(out + len, special ? piece : text, n);
        len += n;
    }
    out[len] = '\0';
}

static int append_hints(sd_bus_message *m) {
    int rc = sd_bus_message_open_container(m, 'a', "{sv}");

    if (rc >= 0) {
        rc = sd_bus_message_append(m, "{sv}{sv}", "urgency", "y", current.urgency, "desktop-entry",
                                   "s", "claude-sandbox");
    }
    if (rc >= 0 && *current.sound) {
        rc = sd_bus_message_append(m, "{sv}", "sound-name", "s", current.sound);
    } else if (rc >= 0) {
        rc = sd_bus_message_append(m, "{sv}", "suppress-sound", "b", 1);
    }
    return rc < 0 ? rc : sd_bus_message_close_container(m);
}

/* Each button has the number of its question, see question.h. */
static int append_actions(sd_bus_message *m) {
    char allow[QUESTION_KEY_MAX];
    char deny[QUESTION_KEY_MAX];

    question_key("allow", current.question, allow);
    question_key("deny", current.question, deny);
    if (!current.question) {
        return sd_bus_message_append(m, "as", 0);
    }
    if (!current.may_allow) {
        return sd_bus_message_append(m, "as", 2, deny, "Deny");
    }
    return sd_bus_message_append(m, "as", 4, allow, "Allow", deny, "Deny");
}

/* Whoever decides has to know where; projects can have the same name. */
static void make_title(char *title, size_t size) {
    if (current.question) {
        snprintf(title, size, "%s, VM %s", current.title, current.vm);
    } else {
        snprintf(title, size, "%s", current.title);
    }
}

static int begin_notify(void) {
    char title[NOTICE_TITLE_MAX + NOTICE_VM_MAX + 8];
    char body[6 * NOTICE_BODY_MAX];
    sd_bus_message *m = NULL;
    int rc = sd_bus_message_new_method_call(bus, &m, SERVICE, OBJECT, SERVICE, "Notify");

    if (current.question && !has_actions) {
        question_let_go(current.question);
        current.question = 0;
    }
    make_title(title, sizeof(title));
    escape(body, sizeof(body), current.body);
    if (rc >= 0) {
        rc = sd_bus_message_append(m, "susss", "Claude", current.question ? 0 : replaces_id, "",
                                   title, body);
    }
    if (rc >= 0) {
        rc = append_actions(m);
    }
    if (rc >= 0) {
        rc = append_hints(m);
    }
    if (rc >= 0) {
        /* In milliseconds; -1: as the desktop likes, 0: until somebody closes it. */
        rc = sd_bus_message_append(m, "i", current.question ? 0 : -1);
    }
    if (rc >= 0) {
        rc = sd_bus_call_async(bus, NULL, m, on_notified, NULL, PATIENCE_US);
    }
    sd_bus_message_unref(m);
    return rc;
}

/* Its numbers mean nothing to another one, or mean something else. */
static void forget_service(void) {
    knows_capabilities = false;
    desktop_forget_shown();
    question_dismiss_all();
}

static void disconnect(struct daemon *d) {
    if (watched >= 0) {
        daemon_unwatch(d, watched);
        watched = -1;
    }
    bus = sd_bus_close_unref(bus);
    forget_service();
}

static void close_way(struct daemon *d) {
    if (bus) {
        (void)sd_bus_flush(bus); /* what was withdrawn at last */
    }
    disconnect(d);
}

static int on_clicked(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    const char *key;
    uint32_t id;

    (void)userdata;
    (void)error;
    if (sd_bus_message_read(m, "us", &id, &key) >= 0) {
        question_clicked(id, key);
    }
    return 0;
}

static int on_closed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    uint32_t id;
    uint32_t reason;

    (void)userdata;
    (void)error;
    if (sd_bus_message_read(m, "uu", &id, &reason) >= 0) {
        question_dismissed(id);
    }
    return 0;
}

/* Another desktop, or none: what the one before has shown is gone. */
static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    (void)m;
    (void)userdata;
    (void)error;
    forget_service();
    return 0;
}

/* The bus passes on what comes from the service itself, and not what somebody else calls so. */
static bool listen_to_service(void) {
    return sd_bus_match_signal_async(bus, NULL, SERVICE, OBJECT, SERVICE, "ActionInvoked",
                                     on_clicked, NULL, NULL) >= 0 &&
           sd_bus_match_signal_async(bus, NULL, SERVICE, OBJECT, SERVICE, "NotificationClosed",
                                     on_closed, NULL, NULL) >= 0 &&
           sd_bus_add_match_async(bus, NULL,
                                  "type='signal',sender='org.freedesktop.DBus',"
                                  "member='NameOwnerChanged',arg0='" SERVICE "'",
                                  on_owner, NULL, NULL) >= 0;
}

static bool connect_bus(struct daemon *d) {
    if (sd_bus_open_user(&bus) < 0) {
        bus = NULL; /* no session, which is not an error: there may be one later */
        return false;
    }
    if (!listen_to_service()) {
        disconnect(d);
        return false;
    }
    return true;
}

/* tick() does it, which is called after each of these. */
static void on_ready(struct daemon *d, int fd, short revents, void *userdata) {
    (void)d;
    (void)fd;
    (void)revents;
    (void)userdata;
}

static int begin_call(void) {
    if (knows_capabilities) {
        return begin_notify();
    }
    return sd_bus_call_method_async(bus, NULL, SERVICE, OBJECT, SERVICE, "GetCapabilities",
                                    on_capabilities, NULL, NULL);
}

static bool show(struct daemon *d, const struct notice *notice, uint32_t replaces) {
    owner = d;
    if (!bus && !connect_bus(d)) {
        return false;
    }
    current = *notice;
    replaces_id = replaces;
    if (sd_bus_set_method_call_timeout(bus, PATIENCE_US) < 0 || begin_call() < 0) {
        disconnect(d);
        return false;
    }
    is_busy = true;
    return true;
}

static bool busy(void) {
    return is_busy;
}

static int until_timeout(void) {
    struct timespec now;
    uint64_t when;
    int64_t ms;

    if (sd_bus_get_timeout(bus, &when) < 0 || when == UINT64_MAX) {
        return -1;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    ms = (int64_t)(when / 1000) - ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000) + 1;
    return ms < 0 ? 0 : (int)ms;
}

static int tick(struct daemon *d) {
    int rc;

    if (!bus) {
        return -1;
    }
    do {
        rc = sd_bus_process(bus, NULL);
    } while (rc > 0);
    if (rc < 0) {
        disconnect(d);
        if (is_busy) {
            end("the session bus is gone");
        }
        return -1;
    }
    watched = sd_bus_get_fd(bus);
    daemon_watch(d, watched, (short)sd_bus_get_events(bus), on_ready, NULL);
    return until_timeout();
}

const struct desktop_way desktop_bus = {
    .name = "session bus",
    .show = show,
    .busy = busy,
    .tick = tick,
    .close = close_way,
    .withdraw = withdraw,
};
