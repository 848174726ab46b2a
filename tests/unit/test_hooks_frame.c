/* SPDX-License-Identifier: MIT */
#include "hooks/frame.h"

#include <string.h>

#include "hooks/event.h"
#include "support.h"

/* One frame of these bytes, whole. */
static struct csb__frame read_whole(const struct csb__strbuf *bytes) {
    struct csb__frame frame = {0};

    ck_assert_int_eq(csb__frame_read(bytes->data, bytes->len, &frame), (ssize_t)bytes->len);
    return frame;
}

static void add_event(struct csb__strbuf *out, const char *project) {
    csb_event event = {.vm = "one", .project = project, .json = "{}", .len = 2};
    CSB__AUTOSTRBUF texts = CSB__STRBUF_INIT;
    char head[CSB__FRAME_EVENT_HEAD];

    csb__frame_add_event(&texts, &event);
    csb__frame_event_head(head, 0x1122334455667788, 7, texts.len);
    csb__strbuf_add(out, head, sizeof(head));
    csb__strbuf_add(out, texts.data, texts.len);
}

/* How many of its beginnings are taken for a frame, or for none at all. */
static int count_parts(const struct csb__strbuf *bytes) {
    struct csb__frame frame;
    int n = 0;

    for (size_t len = 0; len < bytes->len; len++) {
        n += csb__frame_read(bytes->data, len, &frame) != 0;
    }
    return n;
}

START_TEST(a_part_is_no_frame) {
    CSB__AUTOSTRBUF bytes = CSB__STRBUF_INIT;

    add_event(&bytes, NULL);
    ck_assert_int_eq(count_parts(&bytes), 0);
}
END_TEST

START_TEST(an_event_goes_through) {
    CSB__AUTOSTRBUF bytes = CSB__STRBUF_INIT;
    struct csb__frame_event e;
    struct csb__frame frame;

    add_event(&bytes, NULL);
    frame = read_whole(&bytes);
    ck_assert(frame.type == CSB__FRAME_EVENT && frame.id == 0x1122334455667788);
    ck_assert(csb__frame_event(&frame, &e));
    ck_assert(e.lost == 7 && !e.project && e.json_len == 2);
    ck_assert(strcmp(e.vm, "one") == 0 && strcmp(e.json, "{}") == 0);
}
END_TEST

/* Nothing is read beyond a frame, however it is cut or changed. */
START_TEST(a_broken_event_is_none) {
    CSB__AUTOSTRBUF good = CSB__STRBUF_INIT;
    struct csb__frame_event e;
    struct csb__frame frame;

    add_event(&good, "/p");
    frame = read_whole(&good);
    for (size_t len = 0; len < frame.len; len++) {
        CSB__AUTOFREE char *copy = malloc(len + 1);
        struct csb__frame cut = {frame.type, frame.id, copy, len};

        memcpy(copy, frame.bytes, len);
        ck_assert(!csb__frame_event(&cut, &e));
    }
    for (size_t i = 8; i < frame.len; i++) {
        CSB__AUTOFREE char *copy = malloc(frame.len);
        struct csb__frame bad = {frame.type, frame.id, copy, frame.len};

        memcpy(copy, frame.bytes, frame.len);
        copy[i] = copy[i] ? '\0' : '\xff';
        ck_assert(!csb__frame_event(&bad, &e));
    }
}
END_TEST

START_TEST(an_answer_goes_through) {
    CSB__AUTOSTRBUF bytes = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF said = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF heard = CSB__STRBUF_INIT;
    csb_reply reply = {.event = "PreToolUse"};
    csb_reply got = {.event = "PreToolUse"};
    struct csb__frame frame;

    csb_reply_ask(&reply, "sure?", NULL);
    csb_reply_context(&reply, "mind", NULL);
    csb_reply_input(&reply, "{\"a\":[1,\"caf\xc3\xa9\"]}", NULL);
    csb__frame_add_answer(&bytes, 5, &reply);
    frame = read_whole(&bytes);
    ck_assert_uint_eq(frame.id, 5);
    ck_assert(csb__frame_answer(&frame, &got));
    csb__reply_format(&reply, &said);
    csb__reply_format(&got, &heard);
    ck_assert_str_eq(said.data, heard.data);
    csb__reply_finish(&reply);
    csb__reply_finish(&got);
}
END_TEST

/* An answer that its event does not take is as good as none. */
START_TEST(an_answer_that_does_not_fit_says_nothing) {
    CSB__AUTOSTRBUF bytes = CSB__STRBUF_INIT;
    csb_reply reply = {.event = "PreToolUse"};
    csb_reply got = {.event = "Stop"};
    struct csb__frame frame;

    csb_reply_allow(&reply, NULL);
    csb__frame_add_answer(&bytes, 5, &reply);
    frame = read_whole(&bytes);
    ck_assert(csb__frame_answer(&frame, &got));
    ck_assert_int_eq(got.decision, CSB__DECISION_NONE);
    ck_assert(!csb__frame_answer(&(struct csb__frame){.bytes = "\x01", .len = 1}, &got));
}
END_TEST

START_TEST(a_denial_outlives_its_reason) {
    CSB__AUTOSTRBUF bytes = CSB__STRBUF_INIT;
    csb_reply reply = {.event = "PreToolUse"};
    csb_reply got = {.event = "PreToolUse"};
    struct csb__frame frame;

    csb_reply_deny(&reply, "reason", NULL);
    csb__frame_add_answer(&bytes, 5, &reply);
    memset(memmem(bytes.data, bytes.len, "reason", 6), 0xff, 6);
    frame = read_whole(&bytes);
    ck_assert(csb__frame_answer(&frame, &got));
    ck_assert_int_eq(got.decision, CSB__DECISION_DENY);
    csb__reply_finish(&reply);
    csb__reply_finish(&got);
}
END_TEST

START_TEST(a_frame_has_its_limits) {
    struct csb__frame frame;

    ck_assert_int_eq(csb__frame_read("\0\0\0\x08xxxxxxxxx", 13, &frame), -1);
    ck_assert_int_eq(csb__frame_read("\xff\xff\xff\xff", 4, &frame), -1);
    ck_assert_int_eq(csb__frame_read("\0\x90\0\0", 4, &frame), -1);
    ck_assert_int_eq(csb__frame_read("\0\x8f\0\0", 4, &frame), 0);
}
END_TEST

Suite *hooks_frame_suite(void);
Suite *hooks_frame_suite(void) {
    Suite *s = suite_create("hooks_frame");
    TCase *tc = test_case(s, "hooks_frame");

    tcase_add_test(tc, a_part_is_no_frame);
    tcase_add_test(tc, an_event_goes_through);
    tcase_add_test(tc, a_broken_event_is_none);
    tcase_add_test(tc, an_answer_goes_through);
    tcase_add_test(tc, an_answer_that_does_not_fit_says_nothing);
    tcase_add_test(tc, a_denial_outlives_its_reason);
    tcase_add_test(tc, a_frame_has_its_limits);
    return s;
}
