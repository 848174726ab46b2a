/* SPDX-License-Identifier: MIT */
#include "audio.h"

#include <check.h>
#include <string.h>

START_TEST(what_a_guest_may_ask) {
    struct request r;

    ck_assert(request_parse("rec 16000 1 16 signed", &r));
    ck_assert_int_eq(r.rate, 16000);
    ck_assert_int_eq(r.channels, 1);
    ck_assert(!r.silence);
    ck_assert(request_parse("rec 8000 2 16 signed silence", &r));
    ck_assert_int_eq(r.rate, 8000);
    ck_assert_int_eq(r.channels, 2);
    ck_assert(r.silence);
    ck_assert(request_parse("rec 48000 2 16 signed", &r));
}
END_TEST

static const char *const bad[] = {
    "",
    "rec",
    "rec ",
    "play 16000 1 16 signed",
    "rec 16000",
    "rec 16000 1 16",
    "rec 16000 1 16 ",
    "rec 7999 1 16 signed",
    "rec 48001 1 16 signed",
    "rec 4294983296 1 16 signed",
    "rec +16000 1 16 signed",
    "rec 0x3e80 1 16 signed",
    "rec 016000 1 16 signed",
    "rec 16000 1 16 unsigned",
    "rec 16000 1 16 signed ",
    "rec 16000 1 16 signed silence ",
    "rec 16000 1 16 signed -o /etc/passwd",
    "rec 16000\t1 16 signed",
    "rec  16000 1 16 signed",
};

START_TEST(what_it_may_not) {
    struct request r = {-1, -1, false};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!request_parse(bad[i], &r), "accepted: %s", bad[i]);
    }
    ck_assert_int_eq(r.rate, -1);
}
END_TEST

Suite *audio_request_suite(void);
Suite *audio_request_suite(void) {
    Suite *s = suite_create("audio_request");
    TCase *tc = tcase_create("audio_request");

    suite_add_tcase(s, tc);
    tcase_add_test(tc, what_a_guest_may_ask);
    tcase_add_test(tc, what_it_may_not);
    return s;
}
