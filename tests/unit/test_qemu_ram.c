/* SPDX-License-Identifier: MIT */
#include "engine/qemu/ram.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

#define MIB ((uint64_t)1 << 20)
#define SIZE (48 * MIB)

static void put(int fd, uint64_t at, const char *text) {
    ck_assert_int_eq(pwrite(fd, text, strlen(text), (off_t)at), (ssize_t)strlen(text));
}

static void check(int fd, uint64_t at, const char *text) {
    char buf[64] = "";

    ck_assert_int_eq(pread(fd, buf, strlen(text), (off_t)at), (ssize_t)strlen(text));
    ck_assert_str_eq(buf, text);
}

static uint64_t blocks(const char *path) {
    struct stat st;

    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq((uint64_t)st.st_size, SIZE);
    return (uint64_t)st.st_blocks * 512;
}

START_TEST(what_is_kept_comes_back) {
    CSB__AUTOCLOSE int ram = -1;
    CSB__AUTOCLOSE int copy = -1;
    CSB__AUTOFREE char *path = NULL;
    static const char zeros[65536];
    struct csb__env env;

    test_env(&env);
    path = test_join(env.state_dir, "ram");
    ck_assert_int_eq(csb__ram_new(SIZE, &ram, NULL), 0);
    put(ram, 0, "first");
    put(ram, 17 * MIB - 3, "across two steps");
    put(ram, SIZE - 4, "last");
    /* Used once, and free again. */
    ck_assert_int_eq(pwrite(ram, zeros, sizeof(zeros), (off_t)(30 * MIB)), sizeof(zeros));
    ck_assert_int_eq(csb__ram_save(&env, ram, SIZE, path, NULL), 0);
    ck_assert_uint_le(blocks(path), 8 * 4096);

    ck_assert_int_eq(csb__ram_new(SIZE, &copy, NULL), 0);
    ck_assert_int_eq(csb__ram_load(&env, path, copy, SIZE, NULL), 0);
    check(copy, 0, "first");
    check(copy, 17 * MIB - 3, "across two steps");
    check(copy, SIZE - 4, "last");
    check(copy, 30 * MIB, "");
    csb__env_finish(&env);
}
END_TEST

START_TEST(another_size_is_another_machine) {
    CSB__AUTOCLOSE int ram = -1;
    CSB__AUTOFREE char *path = NULL;
    struct csb__env env;

    test_env(&env);
    path = test_join(env.state_dir, "ram");
    test_write(path, "short", 0600);
    ck_assert_int_eq(csb__ram_new(SIZE, &ram, NULL), 0);
    ck_assert_int_eq(csb__ram_load(&env, path, ram, SIZE, NULL), CSB_EPROTOCOL);
    /* What is there is not written over, and a link not followed. */
    ck_assert_int_eq(csb__ram_save(&env, ram, SIZE, path, NULL), CSB_ESYSTEM);
    csb__env_finish(&env);
}
END_TEST

START_TEST(that_of_a_process_is_found) {
    CSB__AUTOCLOSE int ram = -1;
    CSB__AUTOCLOSE int found = -1;
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_int_eq(csb__ram_of(getpid(), &found, &e), CSB_EENGINE);
    ck_assert_int_eq(csb__ram_new(SIZE, &ram, NULL), 0);
    put(ram, 5, "here");
    ck_assert_int_eq(csb__ram_of(getpid(), &found, NULL), 0);
    check(found, 5, "here");
}
END_TEST

Suite *qemu_ram_suite(void);
Suite *qemu_ram_suite(void) {
    Suite *s = suite_create("qemu_ram");
    TCase *tc = test_case(s, "qemu_ram");

    tcase_add_test(tc, what_is_kept_comes_back);
    tcase_add_test(tc, another_size_is_another_machine);
    tcase_add_test(tc, that_of_a_process_is_found);
    return s;
}
