/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "support.h"

START_TEST(lists_of_ports) {
    csb_port ports[4];
    size_t n = 0;

    ck_assert_int_eq(cli_parse_ports("8080:80,9090,1:65535,65535", ports, 4, &n), -1);
    ck_assert_uint_eq(n, 4);
    ck_assert(ports[0].host == 8080 && ports[0].guest == 80);
    ck_assert(ports[1].host == 9090 && ports[1].guest == 9090);
    ck_assert(ports[2].host == 1 && ports[2].guest == 65535);
    ck_assert(ports[3].host == 65535 && ports[3].guest == 65535);
    ck_assert_int_eq(cli_parse_ports("none", ports, 4, &n), -1);
    ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(everything_else) {
    static const char *const bad[] = {
        "",         ",",         "none,80", "None",       "80,",   ",80",
        "80,,81",   "0",         "80:0",    "0:80",       "65536", "80:65536",
        "-1",       "+80",       " 80",     "80 ",        "80:",   ":80",
        "80:81:82", "eighty",    "80x",     "4294967376", "80;81", "99999999999999999999999",
        "0x50",     "1,2,3,4,5",
    };
    csb_port ports[4];
    size_t n;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(cli_parse_ports(bad[i], ports, 4, &n) == EXIT_USAGE, "accepted: %s", bad[i]);
    }
}
END_TEST

Suite *cli_ports_suite(void);
Suite *cli_ports_suite(void) {
    Suite *s = suite_create("cli_ports");
    TCase *tc = test_case(s, "cli_ports");

    tcase_add_test(tc, lists_of_ports);
    tcase_add_test(tc, everything_else);
    return s;
}
