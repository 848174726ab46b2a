/* SPDX-License-Identifier: MIT */
/* claude-hooks-server: what Claude reports from its VMs, on the desktop and in a log. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config_file.h"
#include "daemon.h"
#include "desktop.h"
#include "event_log.h"
#include "notice.h"
#include "question.h"

struct server {
    struct daemon *daemon;
    csb_hooks *hooks;
    struct event_log log;
    struct config_file settings;
    int64_t n_events;
    int64_t n_quiet;
};

static int minute_of_day(void) {
    time_t now = time(NULL);
    struct tm tm = {0};

    localtime_r(&now, &tm);
    return tm.tm_hour * 60 + tm.tm_min;
}

/* That Claude waits for permission need not be told a second time. */
static bool is_told_already(const csb_event *event, const struct notice *notice) {
    const char *type = csb_event_notification_type(event);

    return type && strcmp(type, "permission_prompt") == 0 && question_is_pending(notice->key);
}

static void show(struct server *s, const csb_event *event, csb_reply *reply) {
    const struct config *config = &s->settings.now;
    struct notice notice;

    if (!notice_for_event(event, config, &notice) || is_told_already(event, &notice)) {
        return;
    }
    if (config_is_quiet(config, minute_of_day(), notice.urgency)) {
        s->n_quiet++;
        return;
    }
    if (notice.can_ask && config->answer) {
        question_begin(s->daemon, reply, &notice);
    }
    desktop_post(s->daemon, &notice);
}

/* But for a click on a question Claude's own rules stand. */
static int on_event(const csb_event *event, csb_reply *reply, void *userdata) {
    struct server *s = userdata;

    s->n_events++;
    config_file_look(&s->settings, s->daemon);
    event_log_add(&s->log, s->daemon, &s->settings.now, event);
    question_follow(event);
    show(s, event, reply);
    return 0;
}

static void on_ready(struct daemon *d, int fd, short revents, void *userdata);

static int open_hooks(struct daemon *d, struct server *s) {
    csb_error *err = NULL;

    if (csb_hooks_open(daemon_ctx(d), NULL, on_event, s, &s->hooks, &err) != 0) {
        return daemon_fail_error(d, err);
    }
    return daemon_watch(d, csb_hooks_fd(s->hooks), POLLIN, on_ready, s);
}

static void close_hooks(struct daemon *d, struct server *s) {
    if (s->hooks) {
        daemon_unwatch(d, csb_hooks_fd(s->hooks));
        csb_hooks_close(s->hooks);
        s->hooks = NULL;
    }
}

/* Another program had the sockets, and we heard of it; now they are ours. */
static void take_over(struct daemon *d, struct server *s) {
    close_hooks(d, s);
    if (open_hooks(d, s) != 0) {
        daemon_log(d, "%s", daemon_reason(d));
        daemon_stop(d);
    }
}

static void on_ready(struct daemon *d, int fd, short revents, void *userdata) {
    struct server *s = userdata;
    csb_error *err = NULL;
    int rc = csb_hooks_dispatch(s->hooks, 0, &err);

    (void)fd;
    (void)revents;
    if (rc == 0) {
        return;
    }
    daemon_log(d, "%s", csb_error_message(err));
    csb_error_free(err);
    if (rc == CSB_ENOTFOUND) {
        take_over(d, s);
    } else if (rc == CSB_EBUSY || rc == CSB_EPROTOCOL) {
        daemon_stop(d); /* that one will never have us */
    }
}

static int open_server(struct daemon *d) {
    struct server *s = daemon_userdata(d);

    s->daemon = d;
    if (event_log_open(&s->log, d) != 0 || config_file_open(&s->settings, d) != 0) {
        return -1;
    }
    return open_hooks(d, s);
}

static void close_server(struct daemon *d) {
    struct server *s = daemon_userdata(d);

    question_close();
    close_hooks(d, s);
    desktop_close(d);
    event_log_close(&s->log);
    config_file_close(&s->settings);
}

static int tick(struct daemon *d) {
    int questions = question_tick(d);
    int desktop = desktop_tick(d); /* which shows what there is, and may let go of some */

    return questions < 0 || (desktop >= 0 && desktop < questions) ? desktop : questions;
}

static void report(struct daemon *d, struct daemon_report *r) {
    struct server *s = daemon_userdata(d);

    config_file_look(&s->settings, d);
    daemon_report_number(r, "events", s->n_events);
    daemon_report_text(r, "log", s->log.dir);
    config_file_report(&s->settings, r);
    desktop_report(r);
    daemon_report_number(r, "quiet", s->n_quiet);
    question_report(r);
}

static int control(struct daemon *d, const char *line, FILE *reply) {
    struct server *s = daemon_userdata(d);
    struct notice notice;

    if (strcmp(line, "notify-test") != 0) {
        fprintf(reply, "unknown: %s", line);
        return -1;
    }
    config_file_look(&s->settings, d);
    notice_for_test(&s->settings.now, &notice);
    desktop_post(d, &notice);
    fprintf(reply,
            "A notification is on its way. If you don't see it, look at the end of "
            "%s/claude-hooks-server.log, or in the journal of a service.\n",
            s->log.dir);
    return 0;
}

static int verb_notify_test(struct daemon *d, int argc, char **argv) {
    int status;

    if (argc) {
        daemon_say(d, "superfluous: \"%s\"", argv[0]);
        return DAEMON_USAGE;
    }
    status = daemon_ask(d, "notify-test", stdout);
    if (status == DAEMON_NOT_RUNNING) {
        daemon_say(d, "is not running; try: claude-hooks-server start");
    } else if (status != DAEMON_DONE) {
        daemon_say(d, "%s", daemon_reason(d));
    }
    return status;
}

/* Started over ssh or by a service, it may not be told where the desktop's bus is. */
static void find_session(void) {
    char dir[64];
    struct stat st;

    snprintf(dir, sizeof(dir), "/run/user/%ld", (long)getuid());
    if (!getenv("XDG_RUNTIME_DIR") && stat(dir, &st) == 0 && S_ISDIR(st.st_mode) &&
        st.st_uid == getuid()) {
        setenv("XDG_RUNTIME_DIR", dir, 1);
    }
}

static const struct daemon_verb verbs[] = {
    {"notify-test", "", "have the server that runs show a notification", verb_notify_test},
    {NULL, NULL, NULL, NULL},
};

int main(int argc, char **argv) {
    static struct server server = {.log = {.fd = -1}};
    const struct daemon_program program = {
        .name = "claude-hooks-server",
        .summary = "Shows on the desktop and logs what Claude Code in your VMs reports.",
        .verbs = verbs,
        .open = open_server,
        .close = close_server,
        .tick = tick,
        .status = report,
        .control = control,
        .userdata = &server,
    };

    find_session();
    return daemon_main(&program, argc, argv);
}
