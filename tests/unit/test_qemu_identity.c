/* SPDX-License-Identifier: MIT */
#include "engine/qemu/identity.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/path.h"
#include "engine/qemu/args.h"
#include "support.h"

static void put(const struct csb__instance *i, const char *name, const char *text) {
    CSB__AUTOFREE char *path = csb__instance_path(i, name);

    test_write(path, text, 0600);
}

static void check(const struct csb__instance *i, const char *name, const char *expected) {
    CSB__AUTOFREE char *dir = csb__instance_path(i, "fw_cfg");
    CSB__AUTOFREE char *path = test_join(dir, name);
    CSB__AUTOFREE char *text = test_read(path);
    struct stat st;

    ck_assert_msg(text, "no %s", name);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    if (expected) {
        ck_assert_str_eq(text, expected);
    }
}

START_TEST(everything_qemu_is_told_of_is_there) {
    TEST_AUTOENV env;
    CSB__AUTOINSTANCE i = {0};
    struct csb__spec spec = {0};
    CSB__AUTOSTRBUF mounts = CSB__STRBUF_INIT;
    char user[33];
    char account[128];

    test_env(&env);
    ck_assert_int_eq(csb__instance_init(&env, "web", &i, NULL), 0);
    ck_assert_int_eq(csb__mkdirs(i.dir, NULL), 0);
    ck_assert_int_eq(csb__spec_add_mount(&spec, "/h", "/a b", true, NULL), 0);
    ck_assert_int_eq(csb__spec_add_mount(&spec, "/g", "/c", false, NULL), 0);
    put(&i, "user_key.pub", "ssh-ed25519 USER\n");
    put(&i, "host_key", "SECRET\n");
    /* All of them or an error: a guest without its id would not be this machine. */
    ck_assert_int_eq(csb__identity_write(&i, &spec, NULL), CSB_ESYSTEM);
    put(&i, "machine-id", "0123456789abcdef0123456789abcdef");
    ck_assert_int_eq(csb__identity_write(&i, &spec, NULL), 0);
    for (int k = 0; csb__fw_cfg_names[k]; k++) {
        check(&i, csb__fw_cfg_names[k], NULL);
    }
    csb__qemu_mount_line(&mounts, &spec.mounts[0], 0, false);
    csb__strbuf_puts(&mounts, "\n");
    csb__qemu_mount_line(&mounts, &spec.mounts[1], 1, false);
    csb__strbuf_puts(&mounts, "\n");
    csb__guest_user(user, sizeof(user));
    snprintf(account, sizeof(account), "%s:%u:%u", user, geteuid(), getegid());
    check(&i, "mounts", csb__strbuf_text(&mounts));
    check(&i, "user", account);
    check(&i, "hostname", "web");
    check(&i, "authorized_keys", "ssh-ed25519 USER\n");
    check(&i, "ssh_host_ed25519_key", "SECRET\n");
    check(&i, "machine-id", "0123456789abcdef0123456789abcdef");
    csb__spec_finish(&spec);
}
END_TEST

START_TEST(the_user_is_one_for_useradd) {
    char user[33];

    csb__guest_user(user, sizeof(user));
    ck_assert_uint_gt(strlen(user), 0);
    ck_assert_uint_lt(strlen(user), 32);
    ck_assert_uint_eq(strspn(user, "abcdefghijklmnopqrstuvwxyz_0123456789-"), strlen(user));
    ck_assert(user[0] == '_' || (user[0] >= 'a' && user[0] <= 'z'));
}
END_TEST

Suite *qemu_identity_suite(void);
Suite *qemu_identity_suite(void) {
    Suite *s = suite_create("qemu_identity");
    TCase *tc = test_case(s, "qemu_identity");

    tcase_add_test(tc, everything_qemu_is_told_of_is_there);
    tcase_add_test(tc, the_user_is_one_for_useradd);
    return s;
}
