/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "support.h"

/* By another name of the same file: what is left of it in memory is that. */
static void check_wiped(size_t len) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *path = test_join(dir, "key");
    CSB__AUTOFREE char *left = test_join(dir, "left");
    CSB__AUTOFREE char *text = NULL;
    CSB__AUTOFREE char *zeros = calloc(len + 1, 1);
    size_t n = 0;

    text = malloc(len + 1);
    ck_assert(text && zeros);
    memset(text, 'k', len);
    text[len] = '\0';
    test_write(path, text, 0600);
    ck_assert_int_eq(link(path, left), 0);
    ck_assert_int_eq(file_wipe(path), 0);
    ck_assert_int_ne(access(path, F_OK), 0);
    free(text);
    text = file_read(left, len, &n);
    ck_assert_uint_eq(n, len);
    ck_assert_int_eq(memcmp(text, zeros, len), 0);
}

START_TEST(what_is_wiped_says_nothing_any_more) {
    static const size_t sizes[] = {0, 1, 411, 4096, 4097, 10000};

    check_wiped(sizes[_i]);
}
END_TEST

START_TEST(what_is_not_there_can_not_be_wiped) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *path = test_join(dir, "none");
    CSB__AUTOFREE char *other = test_join(dir, "other");
    CSB__AUTOFREE char *text = NULL;

    ck_assert_int_eq(file_wipe(path), -1);
    ck_assert_int_eq(errno, ENOENT);
    /* Nor what a link leads to. */
    test_write(other, "text", 0600);
    ck_assert_int_eq(symlink(other, path), 0);
    ck_assert_int_eq(file_wipe(path), -1);
    text = file_read(other, 100, NULL);
    ck_assert_str_eq(text, "text");
}
END_TEST

Suite *guest_file_suite(void);
Suite *guest_file_suite(void) {
    Suite *s = suite_create("guest_file");
    TCase *tc = test_case(s, "guest_file");

    tcase_add_loop_test(tc, what_is_wiped_says_nothing_any_more, 0, 6);
    tcase_add_test(tc, what_is_not_there_can_not_be_wiped);
    return s;
}
