/* SPDX-License-Identifier: MIT */
/* org.freedesktop.Notifications over the session bus: no process, and an answer. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "desktop.h"

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
static struct daemon *owner;

static int begin_notify(void);

static void end(const char *why) {
    is_busy = false;
    if (why) {
        desktop_failed(owner, why);
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
        desktop_shown(id);
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
    if (sd_bus_message_enter_container(m, 'a', "s") >= 0) {
        while (sd_bus_message_read(m, "s", &word) > 0) {
            has_markup |= strcmp(word, "body-markup") == 0;
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

static int begin_notify(void) {
    char body[6 * NOTICE_BODY_MAX];
    sd_bus_message *m = NULL;
    int rc = sd_bus_message_new_method_call(bus, &m, SERVICE, OBJECT, SERVICE, "Notify");

    escape(body, sizeof(body), current.body);
    if (rc >= 0) {
        rc = sd_bus_message_append(m, "susssas", "Claude", replaces_id, "", current.title, body, 0);
    }
    if (rc >= 0) {
        rc = append_hints(m);
    }
    if (rc >= 0) {
        rc = sd_bus_message_append(m, "i", -1);
    }
    if (rc >= 0) {
        rc = sd_bus_call_async(bus, NULL, m, on_notified, NULL, PATIENCE_US);
    }
    sd_bus_message_unref(m);
    return rc;
}

static void disconnect(struct daemon *d) {
    if (watched >= 0) {
        daemon_unwatch(d, watched);
        watched = -1;
    }
    bus = sd_bus_close_unref(bus);
    knows_capabilities = false;
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
    if (!bus && sd_bus_open_user(&bus) < 0) {
        bus = NULL; /* no session, which is not an error: there may be one later */
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
    .close = disconnect,
};
