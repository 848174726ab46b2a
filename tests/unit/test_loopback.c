/* SPDX-License-Identifier: MIT */
#include "guest/loopback.h"

#include "support.h"

START_TEST(the_hosts_own_ports) {
    static const struct {
        const char *url;
        const char *host;
        int port;
    } table[] = {
        {"http://localhost:8080/x", "127.0.0.1", 8080},
        {"http://localhost", "127.0.0.1", 80},
        {"https://localhost", "127.0.0.1", 443},
        {"https://localhost/", "127.0.0.1", 443},
        {"http://127.0.0.1:1", "127.0.0.1", 1},
        {"http://127.0.0.1:65535?q", "127.0.0.1", 65535},
        {"http://127.0.0.1#f", "127.0.0.1", 80},
        {"HTTP://LocalHost:81", "127.0.0.1", 81},
        {"http://[::1]:8080", "[::1]", 8080},
        {"http://[::1]", "[::1]", 80},
        {"https://[::1]/a:1", "[::1]", 443},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char host[64] = "";
        int port = 0;

        ck_assert_msg(csb__loopback_url(table[i].url, host, sizeof(host), &port), "%s",
                      table[i].url);
        ck_assert_str_eq(host, table[i].host);
        ck_assert_int_eq(port, table[i].port);
    }
}
END_TEST

START_TEST(everybody_elses) {
    static const char *const table[] = {
        "",
        "localhost",
        "localhost:80",
        "http://",
        "http:///x",
        "http://:80",
        "ftp://localhost",
        "http:/localhost",
        "https://api.anthropic.com",
        "http://localhost.example.com",
        "http://localhost@example.com",
        "http://user@localhost",
        "http://127.0.0.1.example.com",
        "http://1127.0.0.1",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://[::2]",
        "http://[::1",
        "http://[::1]x",
        "http://[::1]:",
        "http://localhost:",
        "http://localhost:0",
        "http://localhost:65536",
        "http://localhost:-1",
        "http://localhost:+1",
        "http://localhost: 80",
        "http://localhost:80x",
        "http://localhost:80:90",
        "http://localhost:99999999999999999999",
        "http://localhost:80\n",
        "http://localhost x",
        "http://localhost\\@evil",
        " http://localhost",
        "http://[",
        "http://[]",
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char host[64];
        int port;

        ck_assert_msg(!csb__loopback_url(table[i], host, sizeof(host), &port), "accepted: %s",
                      table[i]);
    }
}
END_TEST

START_TEST(noise) {
    static const char bytes[] = "htps:/[]1localhst?#@.";
    unsigned state = 9;

    for (int round = 0; round < 20000; round++) {
        char url[32] = "http://";
        size_t len = test_random(&state) % 20;
        char host[64];
        int port = 1;

        for (size_t i = 0; i < len; i++) {
            url[7 + i] = bytes[test_random(&state) % (sizeof(bytes) - 1)];
        }
        url[7 + len] = '\0';
        if (csb__loopback_url(url, host, sizeof(host), &port)) {
            ck_assert(port >= 1 && port <= 65535);
        }
    }
}
END_TEST

Suite *loopback_suite(void);
Suite *loopback_suite(void) {
    Suite *s = suite_create("loopback");
    TCase *tc = test_case(s, "loopback");

    tcase_add_test(tc, the_hosts_own_ports);
    tcase_add_test(tc, everybody_elses);
    tcase_add_test(tc, noise);
    return s;
}
