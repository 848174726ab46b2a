/* SPDX-License-Identifier: MIT */
#include "guest/mounts.h"

#include <stdio.h>
#include <string.h>

#include "support.h"

/* The second mount can't be made at its place: it is bound there. */
static char *elsewhere(const struct csb__spec *spec, size_t index) {
    (void)spec;
    return index == 1 ? strdup("/mnt/lima-1") : NULL;
}

static const struct csb__engine direct = {.name = "direct"};
static const struct csb__engine binding = {.name = "binding", .mount_point = elsewhere};

#define ROOT "22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
#define PROC "23 22 0:21 / /proc rw,nosuid - proc proc rw\n"
#define WEB "36 22 0:40 / /home/u/web rw,nosuid,nodev,relatime - 9p share0 rw,access=user\n"
#define DOCS "37 22 0:41 / /docs\\040and\\134more ro,nosuid shared:4 master:1 - 9p share1 ro\n"

static int check(const struct csb__engine *engine, const char *text, csb_error **err) {
    struct csb__spec spec = {0};
    int rc;

    ck_assert_int_eq(csb__spec_add_mount(&spec, "/home/u/web", "/home/u/web", true, NULL), 0);
    ck_assert_int_eq(csb__spec_add_mount(&spec, "/h", "/docs and\\more", false, NULL), 0);
    rc = csb__mounts_check(text, engine, &spec, err);
    csb__spec_finish(&spec);
    return rc;
}

START_TEST(as_asked) {
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_msg(check(&direct, ROOT PROC WEB DOCS, &e) == 0, "%s", csb_error_message(e));
    /* The order is the guest's, and so is a missing newline at the end. */
    ck_assert_int_eq(check(&direct, DOCS WEB ROOT, NULL), 0);
    ck_assert_int_eq(
        check(&direct, WEB "37 22 0:41 / /docs\\040and\\134more ro - virtiofs x ro", NULL), 0);
}
END_TEST

static void refused(const struct csb__engine *engine, const char *text, const char *why) {
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_msg(check(engine, text, &e) == CSB_EPROTOCOL, "accepted:\n%s", text);
    test_check_error(e, CSB_EPROTOCOL, why);
}

START_TEST(missing) {
    refused(&direct, "", "not mounted /home/u/web");
    refused(&direct, ROOT WEB, "not mounted /docs and\\more");
    refused(&direct, ROOT DOCS, "not mounted /home/u/web");
    /* Something there that is no share of the host is not it. */
    refused(&direct, DOCS "36 22 0:40 / /home/u/web rw - tmpfs tmpfs rw\n",
            "not mounted /home/u/web");
}
END_TEST

START_TEST(with_other_rights) {
    refused(&direct, WEB "37 22 0:41 / /docs\\040and\\134more rw,nosuid - 9p share1 rw\n",
            "/docs and\\more mounted writable");
    refused(&direct, DOCS "36 22 0:40 / /home/u/web ro - 9p share0 ro\n",
            "/home/u/web mounted read-only");
    /* Neither is anything that only begins like it. */
    refused(&direct, DOCS "36 22 0:40 / /home/u/web rwx - 9p share0 rw\n",
            "/home/u/web mounted read-only");
    /* A second look at the same place counts as well. */
    refused(&direct, WEB DOCS "38 22 0:41 / /docs\\040and\\134more rw - 9p share1 rw\n",
            "mounted writable");
}
END_TEST

START_TEST(not_asked_for) {
    refused(&direct, WEB DOCS "38 22 0:42 / /secret rw - 9p share2 rw\n",
            "not asked for (9p at /secret)");
    refused(&direct, WEB DOCS "38 22 0:42 / /secret ro - virtiofs x ro\n", "(virtiofs at /secret)");
    refused(&direct, WEB DOCS "38 22 0:42 / /secret ro shared:1 - fuse.sshfs x ro\n",
            "(fuse.sshfs at /secret)");
    /* Not even below one that was. */
    refused(&direct, WEB DOCS "38 22 0:42 / /home/u/web/x rw - 9p x rw\n", "not asked for");
    refused(&direct, WEB DOCS "38 22 0:42 / /home/u/we rw - 9p x rw\n", "not asked for");
}
END_TEST

START_TEST(bound_to_its_place) {
    const char *there = "37 22 0:41 / /mnt/lima-1 ro - 9p mount1 ro\n";
    const char *place = "39 22 0:41 / /docs\\040and\\134more ro - 9p mount1 ro\n";
    CSB__AUTOFREE char *both = NULL;
    CSB__AUTOFREE char *only_there = NULL;

    ck_assert_int_ge(asprintf(&both, WEB "%s%s", there, place), 0);
    ck_assert_int_ge(asprintf(&only_there, WEB "%s", there), 0);
    ck_assert_int_eq(check(&binding, both, NULL), 0);
    refused(&binding, only_there, "not mounted /docs and\\more");
    refused(&direct, both, "not asked for (9p at /mnt/lima-1)");
    refused(&binding, WEB "37 22 0:41 / /mnt/lima-1 rw - 9p mount1 rw\n",
            "/mnt/lima-1 mounted writable");
}
END_TEST

/* The text is the guest's: whatever it says, the answer is yes or no. */
START_TEST(garbage) {
    static const char *const lines[] = {
        "\n",
        " \n",
        "x\n",
        "1 2 3 4 5\n",
        "1 2 3 4 5 6\n",
        "1 2 3 4 5 6 -\n",
        "- - - - - - - -\n",
        "36 22 0:40 / /home/u/web rw 9p share0 rw\n",
        "\\\\\\040\\\n",
        "\\777 \\400 \\08 - 9p\n",
        "1 2 3:4 / /x\\ rw - ext4 a b\n",
        "\r\n",
        "\t\t\t\t\t\t\t- 9p\n",
    };
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    unsigned state = 13;

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        csb__strbuf_puts(&text, lines[i]);
    }
    csb__strbuf_puts(&text, WEB DOCS);
    ck_assert_int_eq(check(&direct, csb__strbuf_text(&text), NULL), 0);
    for (int round = 0; round < 5000; round++) {
        char noise[] = ROOT WEB DOCS;
        int rc;

        for (int i = 0; i < 3; i++) {
            noise[test_random(&state) % (sizeof(noise) - 1)] =
                "\\ \n-012rwox/"[test_random(&state) % 12];
        }
        rc = check(&binding, noise, NULL);
        ck_assert(rc == 0 || rc == CSB_EPROTOCOL);
    }
}
END_TEST

START_TEST(octal_escapes) {
    struct csb__spec spec = {0};
    const char *text = "1 2 0:1 / /a\\040b\\011c\\012d\\134e\\043\\303\\251 rw - 9p x rw\n";

    ck_assert_int_eq(csb__spec_add_mount(&spec, "/h", "/a b\tc\nd\\e#\xc3\xa9", true, NULL), 0);
    ck_assert_int_eq(csb__mounts_check(text, &direct, &spec, NULL), 0);
    csb__spec_finish(&spec);
}
END_TEST

Suite *mounts_suite(void);
Suite *mounts_suite(void) {
    Suite *s = suite_create("mounts");
    TCase *tc = test_case(s, "mounts");

    tcase_add_test(tc, as_asked);
    tcase_add_test(tc, missing);
    tcase_add_test(tc, with_other_rights);
    tcase_add_test(tc, not_asked_for);
    tcase_add_test(tc, bound_to_its_place);
    tcase_add_test(tc, garbage);
    tcase_add_test(tc, octal_escapes);
    return s;
}
