/* SPDX-License-Identifier: MIT */
#include "hooks/http.h"

#include <string.h>
#include <strings.h>

#define END_OF_HEAD "\r\n\r\n"

/* What is known of the fields once all were read. */
struct fields {
    int lengths;
    size_t length;
    bool length_bad;
    bool length_huge;
    bool encoded;
    bool expects;
    bool expects_other;
};

static bool is_token(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token_length(const char *p, const char *end) {
    size_t n = 0;

    while (p + n < end && is_token(p[n])) {
        n++;
    }
    return n;
}

/* 0, or the status that refuses it. "POST /hook HTTP/1.1" */
static int check_request_line(const char *p, const char *end) {
    size_t n = token_length(p, end);
    bool post = n == 4 && memcmp(p, "POST", 4) == 0;

    if (n == 0 || p + n == end || p[n] != ' ') {
        return 400;
    }
    p += n + 1;
    if (p == end || *p != '/') {
        return 400;
    }
    while (p<end && * p> ' ' && *p < 0x7f) {
        p++;
    }
    if (end - p != 9 || memcmp(p, " HTTP/", 6) != 0 || p[7] != '.') {
        return 400;
    }
    if (p[6] != '1' || (p[8] != '0' && p[8] != '1')) {
        return 505;
    }
    return post ? 0 : 405;
}

static void read_length(const char *p, size_t len, struct fields *f) {
    f->lengths++;
    f->length = 0;
    f->length_bad |= len == 0;
    for (size_t i = 0; i < len; i++) {
        if (p[i] < '0' || p[i] > '9') {
            f->length_bad = true;
            return;
        }
        /* More than any limit of ours, and far from an overflow. */
        f->length_huge |= f->length > (size_t)1 << 26;
        f->length = f->length_huge ? 0 : f->length * 10 + (size_t)(p[i] - '0');
    }
}

static bool is_name(const char *p, size_t len, const char *name) {
    return len == strlen(name) && strncasecmp(p, name, len) == 0;
}

/* False when it is no field. What follows a field on a line that begins with a blank is none. */
static bool read_field(const char *p, const char *end, struct fields *f) {
    size_t n = token_length(p, end);
    const char *value = p + n + 1;

    if (n == 0 || p + n == end || p[n] != ':') {
        return false;
    }
    for (const char *c = value; c < end; c++) {
        if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f) {
            return false;
        }
    }
    while (value < end && (*value == ' ' || *value == '\t')) {
        value++;
    }
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    if (is_name(p, n, "Content-Length")) {
        read_length(value, (size_t)(end - value), f);
    } else if (is_name(p, n, "Transfer-Encoding")) {
        f->encoded = true;
    } else if (is_name(p, n, "Expect")) {
        f->expects = is_name(value, (size_t)(end - value), "100-continue");
        f->expects_other |= !f->expects;
    }
    return true;
}

static int judge(const struct fields *f, size_t body_max) {
    if (f->lengths > 1 || f->length_bad || (f->lengths > 0 && f->encoded)) {
        return 400;
    }
    if (f->lengths == 0) {
        return 411;
    }
    if (f->length_huge || f->length > body_max) {
        return 413;
    }
    return f->expects_other ? 417 : 0;
}

/* The whole head, with its last line's end. 0, or the status that refuses it. */
static int read_head(struct csb__http *http, size_t body_max) {
    const char *p = http->head.data;
    const char *end = p + http->head.len - 2;
    struct fields f = {0};
    int status;

    for (bool first = true; p < end; first = false) {
        const char *eol = memchr(p, '\r', (size_t)(end - p));

        if (!eol || eol[1] != '\n') {
            return 400;
        }
        status = first ? check_request_line(p, eol) : read_field(p, eol, &f) ? 0 : 400;
        if (status != 0) {
            return status;
        }
        p = eol + 2;
    }
    status = judge(&f, body_max);
    http->content_length = f.length;
    http->wants_continue = f.expects;
    return status;
}

void csb__http_refuse(struct csb__http *http, int status) {
    http->state = CSB__HTTP_REFUSED;
    http->status = status;
    csb__strbuf_free(&http->body);
}

static void end_head(struct csb__http *http, size_t body_max) {
    int status = read_head(http, body_max);

    csb__strbuf_free(&http->head);
    if (status != 0) {
        csb__http_refuse(http, status);
    } else {
        http->state = http->content_length > 0 ? CSB__HTTP_BODY : CSB__HTTP_DONE;
    }
}

static size_t feed_head(struct csb__http *http, const char *bytes, size_t len, size_t body_max) {
    size_t before = http->head.len;
    size_t room = CSB__HTTP_HEAD_MAX - before;
    size_t from = before < 3 ? 0 : before - 3;
    const char *found;
    size_t taken;

    csb__strbuf_add(&http->head, bytes, len < room ? len : room);
    if (http->head.failed) {
        csb__http_refuse(http, 503);
        return 0;
    }
    found = memmem(http->head.data + from, http->head.len - from, END_OF_HEAD, 4);
    if (!found) {
        if (http->head.len == CSB__HTTP_HEAD_MAX) {
            csb__http_refuse(http, 431);
        }
        return len < room ? len : room;
    }
    taken = (size_t)(found - http->head.data) + 4;
    http->head.len = taken;
    end_head(http, body_max);
    return taken - before;
}

static size_t feed_body(struct csb__http *http, const char *bytes, size_t len) {
    size_t room = http->content_length - http->body.len;
    size_t n = len < room ? len : room;

    csb__strbuf_add(&http->body, bytes, n);
    if (http->body.failed) {
        csb__http_refuse(http, 503);
    } else if (http->body.len == http->content_length) {
        http->state = CSB__HTTP_DONE;
    }
    return n;
}

size_t csb__http_feed(struct csb__http *http, const char *bytes, size_t len, size_t body_max) {
    switch (http->state) {
    case CSB__HTTP_HEAD:
        return feed_head(http, bytes, len, body_max);
    case CSB__HTTP_BODY:
        return feed_body(http, bytes, len);
    default:
        return 0;
    }
}

void csb__http_finish(struct csb__http *http) {
    csb__strbuf_free(&http->head);
    csb__strbuf_free(&http->body);
}

const char *csb__http_reason(int status) {
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 411:
        return "Length Required";
    case 413:
        return "Content Too Large";
    case 417:
        return "Expectation Failed";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Error";
    }
}

void csb__http_answer(struct csb__strbuf *out, int status, const char *json, size_t len) {
    CSB__AUTOSTRBUF why = CSB__STRBUF_INIT;

    if (status != 200) {
        csb__strbuf_printf(&why, "{\"error\":\"%s\"}", csb__http_reason(status));
        json = csb__strbuf_text(&why);
        len = why.len;
    }
    csb__strbuf_printf(out,
                       "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n%sConnection: close\r\n\r\n",
                       status, csb__http_reason(status), len,
                       status == 405 ? "Allow: POST\r\n" : "");
    csb__strbuf_add(out, json, len);
    out->failed |= why.failed;
}
