/* SPDX-License-Identifier: MIT */
#include "question.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "desktop.h"

/* Claude's hook does not wait longer. */
#define PATIENCE_MS ((int64_t)10 * 60 * 1000)
/* Nobody reads and decides so fast: such a click was on its way already. */
#define REACTION_MS 300

struct question {
    csb_reply *reply; /* NULL: this place is free */
    uint64_t number;
    struct notice notice;
    uint32_t id; /* of the notification; 0: not shown yet */
    int64_t deadline;
};

static struct question questions[QUESTIONS_MAX];
static uint64_t last_number;
static int64_t scene_changed;
static struct daemon *owner;
static int64_t n_allowed;
static int64_t n_denied;

static struct question *find(uint64_t number) {
    for (int i = 0; number && i < QUESTIONS_MAX; i++) {
        if (questions[i].reply && questions[i].number == number) {
            return &questions[i];
        }
    }
    return NULL;
}

static struct question *find_id(uint32_t id) {
    for (int i = 0; id && i < QUESTIONS_MAX; i++) {
        if (questions[i].reply && questions[i].id == id) {
            return &questions[i];
        }
    }
    return NULL;
}

static struct question *find_place(const char *vm) {
    struct question *place = NULL;
    int n = 0;

    for (int i = 0; i < QUESTIONS_MAX; i++) {
        if (!questions[i].reply) {
            place = &questions[i];
        } else {
            n += strcmp(questions[i].notice.vm, vm) == 0;
        }
    }
    return n < QUESTIONS_OF_VM ? place : NULL;
}

void question_begin(struct daemon *d, csb_reply *reply, struct notice *notice) {
    struct question *q = find_place(notice->vm);
    csb_error *err = NULL;
    csb_reply *held;

    owner = d;
    if (!q) {
        return;
    }
    if (csb_reply_hold(reply, &held, &err) != 0) {
        daemon_log(d, "a request can't be answered from here: %s", csb_error_message(err));
        csb_error_free(err);
        return;
    }
    notice->question = ++last_number;
    *q = (struct question){.reply = held,
                           .number = last_number,
                           .notice = *notice,
                           .deadline = daemon_now_ms() + PATIENCE_MS};
}

/* With what was said into the reply: as a rule, nothing. The place is free before anybody is told, who
 * may come back to us. */
static void end(struct question *q) {
    struct question ended = *q;

    *q = (struct question){.reply = NULL};
    (void)csb_reply_send(ended.reply, NULL); /* who does not wait any more needs none */
    desktop_withdraw(ended.number, ended.id);
    question_scene_changed();
}

void question_let_go(uint64_t number) {
    struct question *q = find(number);

    if (q) {
        end(q);
    }
}

bool question_is_open(uint64_t number) {
    return find(number) != NULL;
}

bool question_is_pending(const char *session_key) {
    for (int i = 0; i < QUESTIONS_MAX; i++) {
        if (questions[i].reply && strcmp(questions[i].notice.key, session_key) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether that event of the same session shows that it was answered, or that nobody wants to know. */
static bool is_over(const struct question *q, const csb_event *event) {
    static const char *const any[] = {"Stop",       "StopFailure",      "UserPromptSubmit",
                                      "SessionEnd", "PermissionDenied", NULL};
    const char *name = csb_event_name(event);
    const char *tool = csb_event_tool(event);

    for (int i = 0; any[i]; i++) {
        if (strcmp(any[i], name) == 0) {
            return true;
        }
    }
    return (strcmp(name, "PostToolUse") == 0 || strcmp(name, "PostToolUseFailure") == 0) && tool &&
           strcmp(tool, q->notice.tool) == 0;
}

void question_follow(const csb_event *event) {
    char key[sizeof(questions[0].notice.key)];

    notice_key(event, key, sizeof(key));
    for (int i = 0; i < QUESTIONS_MAX; i++) {
        if (questions[i].reply && strcmp(questions[i].notice.key, key) == 0 &&
            is_over(&questions[i], event)) {
            end(&questions[i]);
        }
    }
}

int question_tick(struct daemon *d) {
    int64_t now = daemon_now_ms();
    int64_t next = -1;

    (void)d;
    for (int i = 0; i < QUESTIONS_MAX; i++) {
        struct question *q = &questions[i];

        if (q->reply && (q->deadline <= now || !csb_reply_waits(q->reply))) {
            end(q);
        }
        if (q->reply && (next < 0 || q->deadline - now < next)) {
            next = q->deadline - now;
        }
    }
    return (int)next;
}

void question_close(void) {
    for (int i = 0; i < QUESTIONS_MAX; i++) {
        if (questions[i].reply) {
            end(&questions[i]);
        }
    }
}

void question_report(struct daemon_report *r) {
    int64_t n = 0;

    for (int i = 0; i < QUESTIONS_MAX; i++) {
        n += questions[i].reply != NULL;
    }
    daemon_report_number(r, "open", n);
    daemon_report_number(r, "allowed", n_allowed);
    daemon_report_number(r, "denied", n_denied);
}

void question_key(const char *word, uint64_t number, char key[QUESTION_KEY_MAX]) {
    snprintf(key, QUESTION_KEY_MAX, "%s-%" PRIu64, word, number);
}

bool question_shown(uint64_t number, uint32_t id) {
    struct question *q = find(number);

    question_scene_changed();
    if (q && id) {
        q->id = id;
    }
    return q && id;
}

static bool is_key(const char *key, const char *word, const struct question *q) {
    char wanted[QUESTION_KEY_MAX];

    question_key(word, q->number, wanted);
    return strcmp(key, wanted) == 0;
}

void question_clicked(uint32_t id, const char *key) {
    struct question *q = find_id(id);
    bool allow = q && is_key(key, "allow", q) && q->notice.may_allow;
    bool deny = q && is_key(key, "deny", q);
    csb_error *err = NULL;
    int rc;

    if ((!allow && !deny) || daemon_now_ms() < scene_changed + REACTION_MS) {
        return; /* where the click has closed it, that is told next */
    }
    rc = allow ? csb_reply_allow(q->reply, &err)
               : csb_reply_deny(q->reply, "the user has denied it", &err);
    if (rc != 0) {
        daemon_log(owner, "%s", csb_error_message(err));
        csb_error_free(err);
    } else {
        n_allowed += allow;
        n_denied += deny;
        daemon_log(owner, "%s with a click, in the VM %s: %s", allow ? "allowed" : "denied",
                   q->notice.vm, q->notice.body);
    }
    end(q);
}

void question_dismissed(uint32_t id) {
    struct question *q = find_id(id);

    if (q) {
        q->id = 0; /* nothing to withdraw */
        end(q);
    }
}

void question_dismiss_all(void) {
    for (int i = 0; i < QUESTIONS_MAX; i++) {
        if (questions[i].reply && questions[i].id) {
            question_dismissed(questions[i].id);
        }
    }
}

void question_scene_changed(void) {
    scene_changed = daemon_now_ms();
}
