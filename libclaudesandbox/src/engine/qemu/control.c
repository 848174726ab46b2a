/* SPDX-License-Identifier: MIT */
#include "engine/qemu/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "core/posix.h"
#include "engine/qemu/process.h"

#define LINE_LIMIT 4096
/* A line written before the agent has opened its end may be lost: say it again. */
#define RESEND_MS 500
#define POWEROFF_MS 5000

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

/* Waits up to ms for an ok: 1 yes, 0 not yet, -1 when the connection is gone. */
static int wait_ok(struct control *c, int ms) {
    int64_t until = csb__env_deadline(c->env, ms);

    for (;;) {
        struct pollfd p[2] = {
            {.fd = c->fd, .events = POLLIN},
            {.fd = c->env->shielded ? -1 : c->env->cancel_pipe[0], .events = POLLIN},
        };
        int64_t left = until - csb__now_ms();
        char buf[1024];
        ssize_t n;

        if (left <= 0 || poll(p, 2, (int)left) <= 0 || p[1].revents) {
            return 0;
        }
        n = read(c->fd, buf, sizeof(buf));
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return -1;
        }
        csb__strbuf_add(&c->in, buf, n > 0 ? (size_t)n : 0);
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
