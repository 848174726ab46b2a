/* SPDX-License-Identifier: MIT */
#include "engine/qemu/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/posix.h"
#include "engine/qemu/process.h"

#define LINE_LIMIT 4096
/* A line written before the agent has opened its end may be lost: say it again. */
#define RESEND_MS 500
#define POWEROFF_MS 5000
/* A guest that has just been woken hears within some 0.3 s, when it is emulated; nothing that it is
 * told takes longer than the wait for a device. */
#define REACH_MS 20000
#define REACH_RESEND_MS 250
#define TELL_MS 30000

struct control {
    struct csb__env *env;
    int fd;
    unsigned id; /* of the last request; an answer to an earlier one counts as well */
    struct csb__strbuf in;
};

static void control_close(struct control *c) {
    csb__cleanup_close(&c->fd);
    csb__strbuf_free(&c->in);
}

static int control_open(struct csb__env *env, const struct csb__instance *i, struct control *ret,
                        csb_error **err) {
    CSB__AUTOFREE char *path = csb__instance_socket(i, "control");

    *ret = (struct control){.env = env, .fd = path ? csb__unix_connect(path) : -1};
    if (ret->fd < 0) {
        return csb__fail_errno(err, errno, "can't reach the VM's control port");
    }
    /* Ends whatever half a line an earlier connection left. */
    (void)csb__write_all(ret->fd, "\n", 1);
    return 0;
}

static int send_request(struct control *c, const char *verb) {
    char line[64];
    int n = snprintf(line, sizeof(line), "%u %s\n", ++c->id, verb);

    return csb__write_all(c->fd, line, (size_t)n);
}

/* Whether a line is an answer to a request of ours, and "ok". */
static bool is_ok(const struct control *c, const char *line) {
    unsigned id = 0;
    char word[8] = "";

    return sscanf(line, "%u %7s", &id, word) == 2 && id >= 1 && id <= c->id &&
           strcmp(word, "ok") == 0;
}

/* True as soon as one complete line says ok. Longer lines than agreed are thrown away. */
static bool take_lines(struct control *c) {
    char *nl;

    while (c->in.len > 0 && (nl = memchr(c->in.data, '\n', c->in.len))) {
        bool ok;

        *nl = '\0';
        ok = is_ok(c, c->in.data);
        csb__log(c->env, CSB_LOG_DEBUG, "guest: %s", c->in.data);
        csb__strbuf_keep_tail(&c->in, c->in.len - (size_t)(nl - c->in.data) - 1);
        if (ok) {
            return true;
        }
    }
    if (c->in.len > LINE_LIMIT) {
        csb__strbuf_keep_tail(&c->in, 0);
    }
    return false;
}

/* Waits up to ms for something to be said: 1 yes, 0 no or the call must end, -1 when the connection
 * is gone. */
static int read_some(struct control *c, int ms) {
    struct pollfd p[2] = {
        {.fd = c->fd, .events = POLLIN},
        {.fd = c->env->shielded ? -1 : c->env->cancel_pipe[0], .events = POLLIN},
    };
    char buf[1024];
    ssize_t n;

    if (poll(p, 2, ms) <= 0 || p[1].revents) {
        return 0;
    }
    n = read(c->fd, buf, sizeof(buf));
    if (n == 0 || (n < 0 && errno != EINTR)) {
        return -1;
    }
    csb__strbuf_add(&c->in, buf, n > 0 ? (size_t)n : 0);
    return 1;
}

/* Waits up to ms for an ok: 1 yes, 0 not yet, -1 when the connection is gone. */
static int wait_ok(struct control *c, int ms) {
    int64_t until = csb__env_deadline(c->env, ms);

    for (;;) {
        int64_t left = until - csb__now_ms();
        int some = left > 0 ? read_some(c, (int)left) : 0;

        if (some <= 0) {
            return some;
        }
        if (take_lines(c)) {
            return 1;
        }
    }
}

int csb__control_wait_ready(struct csb__env *env, const struct csb__instance *i, csb_error **err) {
    CSB__CLEANUP(control_close) struct control c = {.fd = -1};
    int rc = control_open(env, i, &c, err);

    while (rc == 0) {
        int ok = send_request(&c, "ready") == 0 ? wait_ok(&c, RESEND_MS) : -1;

        if (ok > 0) {
            return 0;
        }
        if (ok < 0 || !csb__qemu_alive(i)) {
            return csb__fail(err, CSB_EENGINE, "the VM ended while it was starting");
        }
        rc = csb__env_check(env, "waiting for the VM to come up", err);
    }
    return rc;
}

int csb__control_poweroff(struct csb__env *env, const struct csb__instance *i, csb_error **err) {
    CSB__CLEANUP(control_close) struct control c = {.fd = -1};
    int64_t until = csb__now_ms() + POWEROFF_MS;
    int rc = control_open(env, i, &c, err);

    while (rc == 0 && csb__now_ms() < until) {
        int ok = send_request(&c, "poweroff") == 0 ? wait_ok(&c, RESEND_MS) : -1;

        if (ok != 0) {
            return 0; /* agreed, or gone already */
        }
        rc = csb__env_check(env, "asking the VM to shut down", err);
    }
    return rc ? rc : csb__fail(err, CSB_EENGINE, "the VM does not answer");
}

/* ---- several at once -------------------------------------------------------------------------- */

/* The first request, said again until the guest hears: then all that follows reaches it. */
static int reach(struct control *c, const struct csb__instance *i, csb_error **err) {
    int64_t until = csb__env_deadline(c->env, REACH_MS);
    int rc = 0;

    while (rc == 0) {
        int ok = send_request(c, "ping") == 0 ? wait_ok(c, REACH_RESEND_MS) : -1;

        if (ok > 0) {
            return 0;
        }
        if (ok < 0 || !csb__qemu_alive(i)) {
            return csb__fail(err, CSB_EENGINE, "the VM ended");
        }
        if (csb__now_ms() > until) {
            return csb__fail(err, CSB_ETIMEOUT, "the VM does not answer");
        }
        rc = csb__env_check(c->env, "talking to the VM", err);
    }
    return rc;
}

static int say_all(struct control *c, const struct csb__strv *lines, csb_error **err) {
    CSB__AUTOSTRBUF all = CSB__STRBUF_INIT;

    for (size_t n = 0; n < lines->len; n++) {
        csb__strbuf_printf(&all, "%u %s\n", ++c->id, lines->items[n]);
    }
    if (all.failed) {
        return csb__fail_nomem(err);
    }
    return csb__write_all(c->fd, csb__strbuf_text(&all), all.len) == 0
               ? 0
               : csb__fail(err, CSB_EENGINE, "the VM ended");
}

/* "ID ok TEXT" or "ID error TEXT" to the request with that number; an answer to an earlier one is
 * passed over. 1 for it, 0 for none of it. */
static int judge_answer(char *line, unsigned wanted, const char *request, const char **text,
                        csb_error **err) {
    char *rest = NULL;
    unsigned long id = strtoul(line, &rest, 10);

    if (id != wanted || *rest != ' ') {
        return 0;
    }
    rest++;
    *text = rest + strcspn(rest, " ");
    *text += **text == ' ';
    if (strncmp(rest, "ok", 2) == 0) {
        return 1;
    }
    return csb__fail(err, CSB_EPROTOCOL, "the VM can't do \"%.*s\": %s", (int)strcspn(request, " "),
                     request, *text);
}

/* One line more of what the guest says; 1, or 0 when it takes too long, or an error. */
static int next_line(struct control *c, struct csb__strbuf *line, int64_t until, csb_error **err) {
    char *nl;

    while (!(nl = c->in.len ? memchr(c->in.data, '\n', c->in.len) : NULL)) {
        int64_t left = until - csb__now_ms();
        int rc = csb__env_check(c->env, "talking to the VM", err);

        if (rc != 0) {
            return rc;
        }
        if (left <= 0 || c->in.len > LINE_LIMIT) {
            return csb__fail(err, CSB_ETIMEOUT, "the VM does not answer");
        }
        if (read_some(c, (int)left) < 0) {
            return csb__fail(err, CSB_EENGINE, "the VM ended");
        }
    }
    csb__strbuf_add(line, c->in.data, (size_t)(nl - c->in.data));
    csb__strbuf_keep_tail(&c->in, c->in.len - (size_t)(nl - c->in.data) - 1);
    return line->failed ? csb__fail_nomem(err) : 0;
}

static int hear_all(struct control *c, const struct csb__strv *lines, unsigned first,
                    struct csb__strbuf *text, csb_error **err) {
    int64_t until = csb__env_deadline(c->env, TELL_MS);
    size_t n = 0;

    while (n < lines->len) {
        CSB__AUTOSTRBUF line = CSB__STRBUF_INIT;
        const char *said = "";
        int rc = next_line(c, &line, until, err);

        if (rc == 0) {
            csb__log(c->env, CSB_LOG_DEBUG, "guest: %s", csb__strbuf_text(&line));
            rc = judge_answer(line.len ? line.data : (char[]){""}, first + (unsigned)n,
                              lines->items[n], &said, err);
        }
        if (rc < 0) {
            return rc;
        }
        n += (size_t)rc;
        if (rc == 1 && n == lines->len && text) {
            csb__strbuf_puts(text, said);
        }
    }
    return 0;
}

int csb__control_tell(struct csb__env *env, const struct csb__instance *i,
                      const struct csb__strv *lines, struct csb__strbuf *text, csb_error **err) {
    CSB__CLEANUP(control_close) struct control c = {.fd = -1};
    int rc = control_open(env, i, &c, err);
    unsigned first;

    if (rc == 0) {
        rc = reach(&c, i, err);
    }
    first = c.id + 1;
    if (rc == 0) {
        rc = say_all(&c, lines, err);
    }
    return rc == 0 ? hear_all(&c, lines, first, text, err) : rc;
}

int csb__control_say(struct csb__env *env, const struct csb__instance *i, const char *verb,
                     const char *what, struct csb__strbuf *text, csb_error **err) {
    CSB__AUTOSTRV lines = CSB__STRV_INIT;

    csb__strv_addf(&lines, "%s%s%s", verb, *what ? " " : "", what);
    return lines.failed ? csb__fail_nomem(err) : csb__control_tell(env, i, &lines, text, err);
}
