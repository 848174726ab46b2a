/* SPDX-License-Identifier: MIT */
#include "hooks/http.h"

#include <string.h>

#include "support.h"

#define BODY_MAX 100
#define POST "POST /hook HTTP/1.1\r\n"

static void cleanup_http(struct csb__http *http) {
    csb__http_finish(http);
}
#define AUTOHTTP CSB__CLEANUP(cleanup_http) struct csb__http

/* All of it, in pieces of `step` bytes. How many bytes were taken. */
static size_t feed(struct csb__http *http, const char *text, size_t len, size_t step) {
    size_t at = 0;

    *http = (struct csb__http)CSB__HTTP_INIT;
    while (at < len && http->state != CSB__HTTP_DONE && http->state != CSB__HTTP_REFUSED) {
        size_t n = len - at < step ? len - at : step;

        at += csb__http_feed(http, text + at, n, BODY_MAX);
    }
    return at;
}

/* The status it is refused with; 0 when it is taken, 1 when more is wanted. */
static int verdict(const char *text) {
    AUTOHTTP http;
    AUTOHTTP slow;

    feed(&http, text, strlen(text), strlen(text));
    feed(&slow, text, strlen(text), 1);
    /* It must not matter how the bytes are cut. */
    ck_assert_msg(http.state == slow.state && http.status == slow.status, "%s", text);
    return http.state == CSB__HTTP_REFUSED ? http.status : http.state == CSB__HTTP_DONE ? 0 : 1;
}

static void check_taken(const char *text, size_t step) {
    AUTOHTTP http;
    size_t taken = feed(&http, text, strlen(text), step);

    ck_assert_int_eq(http.state, CSB__HTTP_DONE);
    ck_assert_str_eq(http.body.data, "hello");
    ck_assert_uint_eq(taken, strlen(text) - strlen(" and more"));
}

START_TEST(a_request_is_taken_however_it_is_cut) {
    static const char text[] = "POST /hook HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/7\r\n"
                               "content-LENGTH: \t5 \r\n\r\nhello and more";

    for (size_t step = 1; step < sizeof(text); step++) {
        check_taken(text, step);
    }
}
END_TEST

START_TEST(the_length_is_known_before_the_body) {
    static const char text[] = POST "Content-Length: 3\r\nExpect: 100-Continue\r\n\r\nabc";
    struct csb__http http = CSB__HTTP_INIT;
    size_t n = csb__http_feed(&http, text, sizeof(text) - 1, BODY_MAX);

    ck_assert_int_eq(http.state, CSB__HTTP_BODY);
    ck_assert_uint_eq(http.content_length, 3);
    ck_assert(http.wants_continue);
    ck_assert_uint_eq(n, sizeof(text) - 1 - 3);
    ck_assert_uint_eq(http.body.len, 0);
    ck_assert_uint_eq(csb__http_feed(&http, text + n, 3, BODY_MAX), 3);
    ck_assert_int_eq(http.state, CSB__HTTP_DONE);
    csb__http_finish(&http);
}
END_TEST

static const struct {
    const char *text;
    int status;
} cases[] = {
    {POST "Content-Length: 0\r\n\r\n", 0},
    {"POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n", 0},
    {POST "Content-Length: 5\r\n\r\nhell", 1},
    {POST "Content-Length: 5\r\n", 1},
    /* Requests that are none. */
    {"\r\n\r\n", 400},
    {"POST\r\n\r\n", 400},
    {"POST /\r\n\r\n", 400},
    {"POST / HTTP/1.1 \r\n\r\n", 400},
    {"POST  / HTTP/1.1\r\n\r\n", 400},
    {"POST hook HTTP/1.1\r\n\r\n", 400},
    {"POST /a b HTTP/1.1\r\n\r\n", 400},
    {"POST /\x01 HTTP/1.1\r\n\r\n", 400},
    {"POST / http/1.1\r\n\r\n", 400},
    {"garbage\n\nmore\r\n\r\n", 400},
    {POST "Content-Length 5\r\n\r\nhello", 400},
    {POST "Content-Length : 5\r\n\r\nhello", 400},
    {POST ": 5\r\n\r\n", 400},
    {POST "A: b\x01\r\nContent-Length: 0\r\n\r\n", 400},
    {POST "A: b\nB: c\r\nContent-Length: 0\r\n\r\n", 400},
    {POST "A: b\rc\r\nContent-Length: 0\r\n\r\n", 400},
    {POST "A: b\r\n c\r\nContent-Length: 0\r\n\r\n", 400},
    /* Other methods and versions. */
    {"GET / HTTP/1.1\r\n\r\n", 405},
    {"PUT / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 405},
    {"post / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 405},
    {"POST / HTTP/2.0\r\n\r\n", 505},
    {"POST / HTTP/1.2\r\n\r\n", 505},
    /* Lengths that are none, or two. */
    {POST "\r\n", 411},
    {POST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411},
    {POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {POST "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n", 400},
    {POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400},
    {POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400},
    {POST "Content-Length: 5, 5\r\n\r\nhello", 400},
    {POST "Content-Length: -1\r\n\r\n", 400},
    {POST "Content-Length: +5\r\n\r\nhello", 400},
    {POST "Content-Length: 7_3\r\n\r\n", 400},
    {POST "Content-Length: 0x5\r\n\r\n", 400},
    {POST "Content-Length: 1e3\r\n\r\n", 400},
    {POST "Content-Length: 5 5\r\n\r\n", 400},
    {POST "Content-Length:\r\n\r\n", 400},
    {POST "Content-Length: abc\r\n\r\n", 400},
    {POST "Content-Length: 101\r\n\r\n", 413},
    {POST "Content-Length: 1073741824\r\n\r\n", 413},
    {POST "Content-Length: 18446744073709551617\r\n\r\n", 413},
    {POST "Content-Length: 99999999999999999999999999999999999999\r\n\r\n", 413},
    {POST "Content-Length: 1\r\nExpect: a miracle\r\n\r\n", 417},
};

START_TEST(requests_are_judged) {
    ck_assert_msg(verdict(cases[_i].text) == cases[_i].status, "%d, not %d: %s",
                  verdict(cases[_i].text), cases[_i].status, cases[_i].text);
}
END_TEST

START_TEST(nul_is_no_part_of_a_head) {
    static const char text[] = POST "A: \0b\r\nContent-Length: 0\r\n\r\n";
    AUTOHTTP http;

    feed(&http, text, sizeof(text) - 1, sizeof(text));
    ck_assert_int_eq(http.status, 400);
}
END_TEST

START_TEST(a_head_has_an_end) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    AUTOHTTP http;

    csb__strbuf_puts(&text, POST);
    while (text.len < 70000) {
        csb__strbuf_puts(&text, "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n");
    }
    ck_assert_uint_le(feed(&http, text.data, text.len, 1000), CSB__HTTP_HEAD_MAX);
    ck_assert_int_eq(http.status, 431);
}
END_TEST

START_TEST(noise_is_survived) {
    static const char bytes[] = "POST /hook HTTP/1.1\r\n\r\nContent-Length: 9\0\xff,";
    unsigned seed = 3;

    for (int i = 0; i < 5000; i++) {
        AUTOHTTP http;
        char text[200];

        for (size_t n = 0; n < sizeof(text); n++) {
            text[n] = bytes[test_random(&seed) % (sizeof(bytes) - 1)];
        }
        for (size_t n = 0; i % 2 && n < sizeof(POST) - 1; n++) {
            text[n] = POST[n];
        }
        feed(&http, text, sizeof(text), test_random(&seed) % 50 + 1);
        ck_assert_uint_le(http.body.len, BODY_MAX);
    }
}
END_TEST

START_TEST(answers_are_whole) {
    CSB__AUTOSTRBUF out = CSB__STRBUF_INIT;

    csb__http_answer(&out, 200, "{\"a\":1}", 7);
    ck_assert_str_eq(out.data, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                               "Content-Length: 7\r\nConnection: close\r\n\r\n{\"a\":1}");
    csb__strbuf_free(&out);
    csb__http_answer(&out, 405, NULL, 0);
    ck_assert_ptr_nonnull(strstr(out.data, "HTTP/1.1 405 Method Not Allowed\r\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "Allow: POST\r\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "\r\n\r\n{\"error\":\"Method Not Allowed\"}"));
}
END_TEST

Suite *hooks_http_suite(void);
Suite *hooks_http_suite(void) {
    Suite *s = suite_create("hooks_http");
    TCase *tc = test_case(s, "hooks_http");

    tcase_add_test(tc, a_request_is_taken_however_it_is_cut);
    tcase_add_test(tc, the_length_is_known_before_the_body);
    tcase_add_loop_test(tc, requests_are_judged, 0, (int)(sizeof(cases) / sizeof(*cases)));
    tcase_add_test(tc, nul_is_no_part_of_a_head);
    tcase_add_test(tc, a_head_has_an_end);
    tcase_add_test(tc, noise_is_survived);
    tcase_add_test(tc, answers_are_whole);
    return s;
}
