/* SPDX-License-Identifier: MIT */
/*
 * One request of HTTP/1.1 in, one answer out, then the connection is closed. Strict, and only what
 * is needed: POST with a Content-Length. What two programs could read in two ways is refused. Pure.
 *
 * Of our own because of that: libmicrohttpd takes two Content-Lengths or one beside a
 * Transfer-Encoding for fine, and on macOS has no descriptor to poll; llhttp is not in Debian 12.
 */
#ifndef CSB_HOOKS_HTTP_H
#define CSB_HOOKS_HTTP_H

#include <stdbool.h>

#include "core/strbuf.h"

#define CSB__HTTP_HEAD_MAX ((size_t)16 << 10)

enum csb__http_state {
    CSB__HTTP_HEAD,   /* wants more of the head */
    CSB__HTTP_BODY,   /* the head is known, and more of the body wanted */
    CSB__HTTP_DONE,   /* the body is whole */
    CSB__HTTP_REFUSED /* answer with `status`, and read no further */
};

struct csb__http {
    enum csb__http_state state;
    int status;            /* once REFUSED */
    size_t content_length; /* from BODY on */
    bool wants_continue;   /* from BODY on: it sends nothing until told to */
    struct csb__strbuf head;
    struct csb__strbuf body;
};

#define CSB__HTTP_INIT                                                                             \
    { CSB__HTTP_HEAD, 0, 0, false, CSB__STRBUF_INIT, CSB__STRBUF_INIT }

/*
 * Takes bytes as they come, and returns how many it took: it stops behind the head, so that the
 * caller can look at the length before there is anything of it, and behind the body.
 */
size_t csb__http_feed(struct csb__http *http, const char *bytes, size_t len, size_t body_max);
void csb__http_refuse(struct csb__http *http, int status);
void csb__http_finish(struct csb__http *http);

#define CSB__HTTP_CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"
/* The answer; for a status other than 200 a body that says why. */
void csb__http_answer(struct csb__strbuf *out, int status, const char *json, size_t len);
/* What a status is called. */
const char *csb__http_reason(int status);

#endif
