/* SPDX-License-Identifier: MIT */
#include "core/utf8.h"
#include "model/spec.h"

#include <stdio.h>
#include <string.h>

#include "support.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

START_TEST(sizes_have_bounds) {
    static const struct {
        int cpus;
        uint64_t memory;
        uint64_t disk;
        bool good;
    } table[] = {
        {0, 0, 0, true},
        {1, 512 * MIB, 4 * GIB, true},
        {256, TIB, 64 * TIB, true},
        {-1, 0, 0, false},
        {257, 0, 0, false},
        {0, 1, 0, false},
        {0, 512 * MIB - 1, 0, false},
        {0, TIB + 1, 0, false},
        {0, UINT64_MAX, 0, false},
        {0, 0, 1, false},
        {0, 0, 4 * GIB - 1, false},
        {0, 0, 64 * TIB + 1, false},
        {0, 0, UINT64_MAX, false},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        ck_assert_msg(csb__spec_check_sizes(table[i].cpus, table[i].memory, table[i].disk, NULL) ==
                          (table[i].good ? 0 : CSB_EINVAL),
                      "row %zu", i);
    }
}
END_TEST

START_TEST(what_of_the_host_may_be_shared) {
    static const struct {
        const char *path;
        bool force;
        const char *refusal; /* NULL: none */
    } table[] = {
        {"/home/u/project", false, NULL},
        {"/home/u/.claude-sandbox-project", false, NULL},
        {"/home/user2", false, NULL},
        {"/srv/data", false, NULL},
        {"/home/u/a b,c'd\"e=\\$%", false, NULL},
        {"/home/u/\xe6\x97\xa5", false, NULL},
        {"/home/u/\xf0\x9f\x98\x80", false, NULL},
        {"/", false, "whole host"},
        {"/", true, "whole host"},
        {"/home/u", false, "home directory, with your keys"},
        {"/home/u", true, NULL},
        {"/home", false, "contains your home"},
        {"/home", true, "contains your home"},
        {"/home/u/.claude-sandbox", false, "belongs to claude-sandbox"},
        {"/home/u/.claude-sandbox", true, "belongs to claude-sandbox"},
        {"/home/u/.claude-sandbox/vms", true, "belongs to claude-sandbox"},
        {"/home/u/a\nb", false, "control characters"},
        {"/home/u/\x7f", false, "control characters"},
        {"/home/u/\xff", false, "not UTF-8"},
        {"/home/u/\xc3", false, "not UTF-8"},
        {"/home/u/\xc0\xaf", false, "not UTF-8"},         /* "/" in two bytes */
        {"/home/u/\xe0\x80\xaf", false, "not UTF-8"},     /* in three */
        {"/home/u/\xf0\x80\x80\xaf", false, "not UTF-8"}, /* in four */
        {"/home/u/\xed\xa0\x80", false, "not UTF-8"},     /* half of a surrogate pair */
        {"/home/u/\xf4\x90\x80\x80", false, "not UTF-8"}, /* past the end of Unicode */
        {"/home/u/\xe6\x97", false, "not UTF-8"},
        {"/home/u/\xe6\x97/", false, "not UTF-8"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        CSB__AUTOERROR csb_error *e = NULL;
        int rc = csb__mount_check_host(table[i].path, "/home/u", "/home/u/.claude-sandbox",
                                       table[i].force, &e);

        if (table[i].refusal) {
            ck_assert_msg(rc == CSB_EINVAL, "accepted: %s", table[i].path);
            test_check_error(e, CSB_EINVAL, table[i].refusal);
        } else {
            ck_assert_msg(rc == 0, "refused: %s", csb_error_message(e));
        }
    }
}
END_TEST

START_TEST(a_state_directory_elsewhere) {
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_int_eq(csb__mount_check_host("/data", "/home/u", "/data/csb", false, &e), CSB_EINVAL);
    test_check_error(e, CSB_EINVAL, "contains claude-sandbox's own files");
    ck_assert_int_eq(csb__mount_check_host("/data/x", "/home/u", "/data/csb", false, NULL), 0);
    /* Without a home directory there is nothing to compare with. */
    ck_assert_int_eq(csb__mount_check_host("/home/u", NULL, "/data/csb", false, NULL), 0);
}
END_TEST

START_TEST(forcing_is_suggested_for_home_only) {
    CSB__AUTOERROR csb_error *home = NULL;
    CSB__AUTOERROR csb_error *above = NULL;

    csb__mount_check_host("/home/u", "/home/u", "/s", false, &home);
    ck_assert_ptr_nonnull(strstr(csb_error_hint(home), "--force-mount"));
    csb__mount_check_host("/home", "/home/u", "/s", false, &above);
    ck_assert_str_eq(csb_error_hint(above), "");
}
END_TEST

START_TEST(where_in_a_guest) {
    static const char *const good[] = {
        "/home/u/project", "/work",       "/mnt/x",   "/opt/x",         "/srv/x",
        "/root/x",         "/tmp/x",      "/var/x",   "/usr/local/x",   "/homes",
        "/etcetera",       "/usr/binary", "/library", "/a b,c\xc3\xa9",
    };
    static const char *const bad[] = {
        "",           "relative",   "./x",         "/",          "//",         "/home",
        "/tmp",       "/var",       "/usr",        "/mnt",       "/opt",       "/srv",
        "/root",      "/etc",       "/etc/x",      "/bin",       "/bin/x",     "/sbin/x",
        "/lib/x",     "/lib64/x",   "/boot/x",     "/dev",       "/dev/x",     "/proc",
        "/proc/self", "/sys",       "/sys/x",      "/run",       "/run/x",     "/usr/bin",
        "/usr/bin/x", "/usr/lib/x", "/usr/sbin/x", "/work/",     "/work//x",   "/work/../etc",
        "/work/.",    "/work/\n",   "/work/\x01",  "/work/\xff", "/x\xc2\x9b",
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_msg(csb__mount_check_guest(good[i], NULL) == 0, "refused: %s", good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CSB__AUTOERROR csb_error *e = NULL;

        ck_assert_msg(csb__mount_check_guest(bad[i], &e) == CSB_EINVAL, "accepted: %s", bad[i]);
        test_check_error(e, CSB_EINVAL, csb__utf8_is_tame(bad[i]) ? bad[i] : "?");
    }
    /* Where the settings go must be a place where something may go. */
    ck_assert_int_eq(csb__mount_check_guest(CSB__SETTINGS_GUEST_PATH, NULL), 0);
}
END_TEST

START_TEST(mounts_are_copied_and_counted) {
    struct csb__spec spec = {0};
    CSB__AUTOERROR csb_error *twice = NULL;
    CSB__AUTOERROR csb_error *many = NULL;
    char host[16] = "/h0";
    char guest[16] = "/g0";

    for (int i = 0; i < CSB__MOUNTS_MAX; i++) {
        snprintf(host, sizeof(host), "/h%d", i);
        snprintf(guest, sizeof(guest), "/g%d", i);
        ck_assert_int_eq(csb__spec_add_mount(&spec, host, guest, i % 2, NULL), 0);
        if (i == 1) {
            ck_assert_int_eq(csb__spec_add_mount(&spec, "/other", "/g0", true, &twice), CSB_EINVAL);
        }
    }
    ck_assert_int_eq(csb__spec_add_mount(&spec, "/x", "/x", true, &many), CSB_EINVAL);
    test_check_error(twice, CSB_EINVAL, "two mounts at /g0");
    test_check_error(many, CSB_EINVAL, "more than 16");
    ck_assert_uint_eq(spec.n_mounts, CSB__MOUNTS_MAX);
    ck_assert_str_eq(spec.mounts[0].host_path, "/h0");
    ck_assert_str_eq(spec.mounts[15].guest_path, "/g15");
    ck_assert(!spec.mounts[0].writable && spec.mounts[15].writable);
    csb__spec_finish(&spec);
    ck_assert_ptr_null(spec.mounts);
    ck_assert_uint_eq(spec.n_mounts, 0);
    csb__spec_finish(&spec);
}
END_TEST

START_TEST(settings_change_places) {
    CSB__AUTOSPEC spec = {.name = strdup("web")};
    CSB__AUTOSPEC copy = {0};
    struct csb__changes move = {.cpus = 3, .settings_dir = (char *)"/t", .settings_mode = 2};
    struct csb__changes back = {.settings_mode = 1};
    struct csb__changes inside = {.settings_dir = (char *)"/p/s"};

    ck_assert_int_eq(csb__spec_add_mount(&spec, "/p", "/p", true, NULL), 0);
    /* Rights without a directory mean nothing. */
    ck_assert_int_eq(csb__spec_change(&spec, &back, NULL), CSB_EINVAL);
    ck_assert_int_eq(csb__spec_change(&spec, &move, NULL), 0);
    ck_assert_int_eq(spec.cpus, 3);
    ck_assert_str_eq(spec.settings_dir, "/t");
    ck_assert_uint_eq(spec.n_mounts, 2);
    ck_assert_ptr_eq(csb__spec_settings(&spec), &spec.mounts[1]);
    ck_assert_str_eq(spec.mounts[1].host_path, "/t");
    ck_assert(!spec.mounts[1].writable);
    ck_assert_int_eq(csb__spec_copy(&spec, &copy, NULL), 0);
    ck_assert_int_eq(csb__spec_change(&copy, &back, NULL), 0);
    ck_assert(csb__spec_settings(&copy)->writable && !csb__spec_settings(&spec)->writable);
    ck_assert_uint_eq(copy.n_mounts, 2);
    ck_assert_int_eq(csb__spec_change(&copy, &inside, NULL), CSB_EINVAL);
}
END_TEST

Suite *spec_suite(void);
Suite *spec_suite(void) {
    Suite *s = suite_create("spec");
    TCase *tc = test_case(s, "spec");

    tcase_add_test(tc, sizes_have_bounds);
    tcase_add_test(tc, what_of_the_host_may_be_shared);
    tcase_add_test(tc, a_state_directory_elsewhere);
    tcase_add_test(tc, forcing_is_suggested_for_home_only);
    tcase_add_test(tc, where_in_a_guest);
    tcase_add_test(tc, mounts_are_copied_and_counted);
    tcase_add_test(tc, settings_change_places);
    return s;
}
