/* SPDX-License-Identifier: MIT */
#include "engine/qemu/qmp.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "core/json.h"
#include "core/posix.h"

#define LINE_MAX_BYTES ((size_t)1 << 20)
#define ANSWER_MS 20000

/* Takes one line out of what has arrived; false when none is complete. */
static bool take_line(struct csb__qmp *q, struct csb__strbuf *line) {
    char *nl = q->in.len ? memchr(q->in.data, '\n', q->in.len) : NULL;

    if (!nl) {
        return false;
    }
    csb__strbuf_add(line, q->in.data, (size_t)(nl - q->in.data));
    csb__strbuf_keep_tail(&q->in, q->in.len - (size_t)(nl - q->in.data) - 1);
    return true;
}

static int read_line(struct csb__qmp *q, int64_t deadline, struct csb__strbuf *line,
                     csb_error **err) {
    while (!take_line(q, line)) {
        struct pollfd p[2] = {
            {.fd = q->fd, .events = POLLIN},
            {.fd = q->env->shielded ? -1 : q->env->cancel_pipe[0], .events = POLLIN},
        };
        int64_t left = deadline - csb__now_ms();
        char buf[8192];
        ssize_t n;
        int rc = csb__env_check(q->env, "talking to QEMU", err);

        if (rc != 0) {
            return rc;
        }
        if (q->in.len > LINE_MAX_BYTES) {
            return csb__fail(err, CSB_EPROTOCOL, "QEMU wrote a line of more than %zu bytes",
                             LINE_MAX_BYTES);
        }
        if (left <= 0) {
            return csb__fail(err, CSB_ETIMEOUT, "QEMU does not answer on its control socket");
        }
        poll(p, 2, (int)left);
        if (!p[0].revents) {
            continue;
        }
        n = read(q->fd, buf, sizeof(buf));
        if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) {
            return csb__fail(err, CSB_EENGINE, "QEMU closed its control socket");
        }
        csb__strbuf_add(&q->in, buf, n > 0 ? (size_t)n : 0);
    }
    return line->failed || q->in.failed ? csb__fail_nomem(err) : 0;
}

/* The next line that is no event. */
static int read_answer(struct csb__qmp *q, json_t **ret, csb_error **err) {
    int64_t deadline = csb__env_deadline(q->env, ANSWER_MS);

    for (;;) {
        CSB__AUTOSTRBUF line = CSB__STRBUF_INIT;
        json_t *json = NULL;
        int rc = read_line(q, deadline, &line, err);

        if (rc == 0) {
            rc = csb__json_parse(csb__strbuf_text(&line), line.len, &json, err);
        }
        if (rc != 0) {
            return rc;
        }
        if (!json_object_get(json, "event")) {
            *ret = json;
            return 0;
        }
        json_decref(json);
    }
}

int csb__qmp_open(struct csb__env *env, const char *path, struct csb__qmp *ret, csb_error **err) {
    CSB__AUTOJSON *greeting = NULL;
    int rc;

    *ret = (struct csb__qmp){.env = env, .fd = csb__unix_connect(path)};
    if (ret->fd < 0) {
        return errno == ENOENT || errno == ECONNREFUSED
                   ? csb__fail(err, CSB_ENOTFOUND, "QEMU is not listening")
                   : csb__fail_errno(err, errno, "can't connect to %s", path);
    }
    rc = read_answer(ret, &greeting, err);
    return rc == 0 ? csb__qmp_execute(ret, "qmp_capabilities", NULL, NULL, err) : rc;
}

void csb__qmp_close(struct csb__qmp *q) {
    if (q->env && q->fd >= 0) {
        close(q->fd);
    }
    csb__strbuf_free(&q->in);
    *q = (struct csb__qmp){0};
}

/* In one piece, with a descriptor beside it. */
static bool send_with_fd(int to, const char *text, size_t len, int fd) {
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {{0}};
    struct iovec part = {.iov_base = (char *)text, .iov_len = len};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control.space)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(int));
    return sendmsg(to, &message, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool send_request(struct csb__qmp *q, const char *text, int fd) {
    return (fd < 0 ? csb__write_all(q->fd, text, strlen(text)) == 0
                   : send_with_fd(q->fd, text, strlen(text), fd)) &&
           csb__write_all(q->fd, "\n", 1) == 0;
}

static int execute(struct csb__qmp *q, const char *command, json_t *arguments, int fd, json_t **ret,
                   csb_error **err) {
    CSB__AUTOJSON *request = json_pack("{s:s, s:o*}", "execute", command, "arguments", arguments);
    CSB__AUTOFREE char *text = request ? csb__json_text(request, JSON_COMPACT) : NULL;
    CSB__AUTOJSON *answer = NULL;
    const json_t *error;
    int rc;

    if (!text) {
        return csb__fail_nomem(err);
    }
    if (!send_request(q, text, fd)) {
        return csb__fail(err, CSB_EENGINE, "QEMU closed its control socket");
    }
    rc = read_answer(q, &answer, err);
    if (rc != 0) {
        return rc;
    }
    error = json_object_get(answer, "error");
    if (error) {
        return csb__fail(err, CSB_EENGINE, "QEMU refused %s: %s", command,
                         csb__json_string(error, "desc", "no reason given"));
    }
    if (ret) {
        *ret = json_incref(json_object_get(answer, "return"));
    }
    return 0;
}

int csb__qmp_execute(struct csb__qmp *q, const char *command, json_t *arguments, json_t **ret,
                     csb_error **err) {
    return execute(q, command, arguments, -1, ret, err);
}

int csb__qmp_give_fd(struct csb__qmp *q, const char *name, int fd, csb_error **err) {
    return execute(q, "getfd", json_pack("{s:s}", "fdname", name), fd, NULL, err);
}
