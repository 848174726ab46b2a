/* SPDX-License-Identifier: MIT */
/* A request reads the same in whatever pieces it comes. The first two bytes say how it is cut. */
#include "fuzz.h"
#include "hooks/http.h"

#define BODY_MAX 4096

static void feed(struct csb__http *h, const char *bytes, size_t len, size_t piece) {
    while (len > 0 && (h->state == CSB__HTTP_HEAD || h->state == CSB__HTTP_BODY)) {
        size_t n = piece && piece < len ? piece : len;
        size_t taken = csb__http_feed(h, bytes, n, BODY_MAX);

        MUST(taken <= n && (taken == n || h->state != CSB__HTTP_HEAD));
        bytes += taken;
        len -= taken;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t piece = fuzz_byte(&data, &size) % 32 + 1;
    struct csb__http whole = CSB__HTTP_INIT;
    struct csb__http cut = CSB__HTTP_INIT;

    feed(&whole, (const char *)data, size, 0);
    feed(&cut, (const char *)data, size, piece);
    MUST(whole.state == cut.state && whole.status == cut.status);
    MUST(whole.content_length == cut.content_length && whole.body.len == cut.body.len);
    MUST(whole.wants_continue == cut.wants_continue);
    MUST(!whole.body.len || memcmp(whole.body.data, cut.body.data, cut.body.len) == 0);
    MUST(whole.head.len <= CSB__HTTP_HEAD_MAX && whole.body.len <= BODY_MAX);
    MUST(whole.state != CSB__HTTP_REFUSED || (whole.status >= 400 && whole.status <= 599));
    MUST(whole.state != CSB__HTTP_DONE || whole.body.len == whole.content_length);
    csb__http_finish(&whole);
    csb__http_finish(&cut);
    return 0;
}
