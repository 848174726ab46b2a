/* SPDX-License-Identifier: MIT */
#include "core/path.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "support.h"

START_TEST(absolute_by_the_text_alone) {
    static const char *const table[][2] = {
        {"/", "/"},
        {"//", "/"},
        {"/a", "/a"},
        {"//a//b/", "/a/b"},
        {"/a/./b", "/a/b"},
        {"/a/b/../c", "/a/c"},
        {"/..", "/"},
        {"/../../a", "/a"},
        {"/a/..", "/"},
        {"/a/b/../../..", "/"},
        {"/a/.../b", "/a/.../b"},
        {"/a/..b/c.", "/a/..b/c."},
        {"/a b/\xc3\xbc\n", "/a b/\xc3\xbc\n"},
        {"/a/b/..", "/a"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        CSB__AUTOFREE char *path = csb__path_absolute(table[i][0]);

        ck_assert_str_eq(path, table[i][1]);
    }
}
END_TEST

START_TEST(relative_means_here) {
    CSB__AUTOFREE char *cwd = getcwd(NULL, 0);
    CSB__AUTOFREE char *here = csb__path_absolute(".");
    CSB__AUTOFREE char *empty = csb__path_absolute("");
    CSB__AUTOFREE char *sub = csb__path_absolute("x/../y");
    CSB__AUTOFREE char *expected = test_join(strcmp(cwd, "/") == 0 ? "" : cwd, "y");

    ck_assert_str_eq(here, cwd);
    ck_assert_str_eq(empty, cwd);
    ck_assert_str_eq(sub, expected);
}
END_TEST

START_TEST(within_is_by_component) {
    static const struct {
        const char *path;
        const char *dir;
        bool within;
    } table[] = {
        {"/a", "/a", true},    {"/a/b", "/a", true},  {"/ab", "/a", false},
        {"/a", "/a/b", false}, {"/a", "/", true},     {"/", "/", true},
        {"/", "/a", false},    {"/b/a", "/a", false}, {"/a/b/c", "/a/b", true},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        ck_assert_msg(csb__path_is_within(table[i].path, table[i].dir) == table[i].within,
                      "%s in %s", table[i].path, table[i].dir);
    }
}
END_TEST

START_TEST(home_is_absolute) {
    CSB__AUTOFREE char *saved = getenv("HOME") ? strdup(getenv("HOME")) : NULL;
    CSB__AUTOFREE char *home = NULL;
    CSB__AUTOFREE char *account = NULL;

    setenv("HOME", "/some//where/", 1);
    home = csb__home_dir();
    /* One that means nothing everywhere is not believed. */
    setenv("HOME", "relative", 1);
    account = csb__home_dir();
    if (saved) {
        setenv("HOME", saved, 1);
    } else {
        unsetenv("HOME");
    }
    ck_assert_str_eq(home, "/some/where");
    ck_assert(!account || *account == '/');
}
END_TEST

START_TEST(mkdirs_makes_all_private) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *deep = test_join(dir, "a//b/c/");
    CSB__AUTOFREE char *middle = test_join(dir, "a/b");
    CSB__AUTOERROR csb_error *e = NULL;
    struct stat st;

    ck_assert_int_eq(csb__mkdirs(deep, &e), 0);
    ck_assert_int_eq(csb__mkdirs(deep, &e), 0);
    ck_assert_int_eq(csb__mkdirs("/", &e), 0);
    ck_assert_int_eq(stat(middle, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0700);
    ck_assert_int_eq(stat(deep, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0700);
}
END_TEST

START_TEST(mkdirs_says_what_is_in_the_way) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *file = test_join(dir, "file");
    CSB__AUTOFREE char *below = test_join(file, "x");
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOERROR csb_error *at_end = NULL;

    test_write(file, "", 0600);
    ck_assert_int_eq(csb__mkdirs(below, &e), CSB_ESYSTEM);
    ck_assert_int_eq(csb_error_errno(e), ENOTDIR);
    ck_assert_int_eq(csb__mkdirs(file, &at_end), CSB_ESYSTEM);
    ck_assert_int_eq(csb_error_errno(at_end), ENOTDIR);
}
END_TEST

START_TEST(mkdirs_survives_an_empty_path) {
    /* On the heap, where reading past the end is noticed. */
    CSB__AUTOFREE char *empty = strdup("");
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_int_eq(csb__mkdirs(empty, &e), CSB_ESYSTEM);
    ck_assert_int_eq(csb_error_errno(e), ENOENT);
}
END_TEST

/* Root may write everywhere; an ordinary user is needed to be refused. */
static int be_refused(void *arg) {
    csb_error *e = NULL;

    if (geteuid() == 0 && seteuid(65534) != 0) {
        return 0;
    }
    return csb__mkdirs(arg, &e) == CSB_ESYSTEM && csb_error_errno(e) == EACCES ? 0 : 1;
}

START_TEST(mkdirs_tells_refused_from_missing) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *parent = test_join(dir, "p");
    CSB__AUTOFREE char *path = test_join(parent, "x");

    /* The way there must be open to others. */
    ck_assert_int_eq(chmod(dir, 0755), 0);
    *strrchr(dir, '/') = '\0';
    ck_assert_int_eq(chmod(dir, 0711), 0);
    ck_assert_int_eq(mkdir(parent, 0555), 0);
    ck_assert_int_eq(test_join_child(test_fork(be_refused, path)), 0);
}
END_TEST

START_TEST(remove_tree_stays_in_the_tree) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *outside = test_join(dir, "outside");
    CSB__AUTOFREE char *precious = test_join(outside, "precious");
    CSB__AUTOFREE char *tree = test_join(dir, "tree");
    CSB__AUTOFREE char *deep = test_join(tree, "a/b/c");
    CSB__AUTOFREE char *link = test_join(tree, "a/link");
    CSB__AUTOFREE char *file_link = test_join(tree, "a/b/file_link");
    CSB__AUTOFREE char *dangling = test_join(tree, "dangling");
    CSB__AUTOFREE char *file = test_join(deep, "file");

    ck_assert_int_eq(csb__mkdirs(outside, NULL), 0);
    ck_assert_int_eq(csb__mkdirs(deep, NULL), 0);
    test_write(precious, "kept", 0600);
    test_write(file, "x", 0400);
    ck_assert_int_eq(symlink(outside, link), 0);
    ck_assert_int_eq(symlink(precious, file_link), 0);
    ck_assert_int_eq(symlink("nowhere", dangling), 0);

    ck_assert_int_eq(csb__remove_tree(tree, NULL), 0);
    ck_assert(!test_exists(tree));
    ck_assert(test_exists(precious));
    /* Gone already is fine. */
    ck_assert_int_eq(csb__remove_tree(tree, NULL), 0);
    /* A link given by name is a link as well. */
    ck_assert_int_eq(symlink(outside, tree), 0);
    ck_assert_int_eq(csb__remove_tree(tree, NULL), 0);
    ck_assert(!test_exists(tree));
    ck_assert(test_exists(precious));
    /* So is a file. */
    ck_assert_int_eq(csb__remove_tree(precious, NULL), 0);
    ck_assert(!test_exists(precious));
}
END_TEST

static int be_refused_removal(void *arg) {
    csb_error *e = NULL;

    if (geteuid() == 0 && seteuid(65534) != 0) {
        return 0;
    }
    return csb__remove_tree(arg, &e) == CSB_ESYSTEM && csb_error_errno(e) == EACCES ? 0 : 1;
}

START_TEST(remove_tree_says_what_stays) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *parent = test_join(dir, "p");
    CSB__AUTOFREE char *child = test_join(parent, "x");

    ck_assert_int_eq(chmod(dir, 0755), 0);
    ck_assert_int_eq(mkdir(parent, 0755), 0);
    ck_assert_int_eq(mkdir(child, 0755), 0);
    ck_assert_int_eq(chmod(parent, 0555), 0);
    *strrchr(dir, '/') = '\0';
    ck_assert_int_eq(chmod(dir, 0711), 0);
    ck_assert_int_eq(test_join_child(test_fork(be_refused_removal, parent)), 0);
    ck_assert(test_exists(child));
    ck_assert_int_eq(chmod(parent, 0755), 0);
}
END_TEST

START_TEST(a_tree_weighs_what_is_in_it) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *sub = test_join(dir, "sub");
    CSB__AUTOFREE char *hole = test_join(sub, "hole");
    CSB__AUTOFREE char *link = test_join(sub, "link");
    CSB__AUTOFREE char *file = test_join(sub, "file");
    CSB__AUTOFREE char *text = calloc(1, 200001);
    uint64_t before;
    uint64_t after;

    ck_assert_uint_eq(csb__tree_bytes(file), 0);
    ck_assert_int_eq(mkdir(sub, 0700), 0);
    test_write(hole, "", 0600);
    ck_assert_int_eq(truncate(hole, (off_t)1 << 30), 0);
    ck_assert_int_eq(symlink("/usr", link), 0);
    before = csb__tree_bytes(dir);
    /* Neither the hole nor what the link leads to. */
    ck_assert_uint_lt(before, 100000);
    memset(text, 'x', 200000);
    test_write(file, text, 0600);
    after = csb__tree_bytes(dir);
    ck_assert_uint_ge(after, before + 200000);
    ck_assert_uint_lt(after, before + 400000);
    /* sub, hole, link and file; nothing of what the link leads to. */
    ck_assert(csb__tree_exceeds(dir, 0, 60000));
    ck_assert(csb__tree_exceeds(dir, 3, 60000));
    ck_assert(!csb__tree_exceeds(dir, 4, 60000));
    ck_assert(!csb__tree_exceeds(file, 0, 60000));
    ck_assert(csb__tree_exceeds(dir, 4, -1));
}
END_TEST

Suite *path_suite(void);
Suite *path_suite(void) {
    Suite *s = suite_create("path");
    TCase *tc = test_case(s, "path");

    tcase_add_test(tc, absolute_by_the_text_alone);
    tcase_add_test(tc, relative_means_here);
    tcase_add_test(tc, within_is_by_component);
    tcase_add_test(tc, home_is_absolute);
    tcase_add_test(tc, mkdirs_makes_all_private);
    tcase_add_test(tc, mkdirs_says_what_is_in_the_way);
    tcase_add_test(tc, mkdirs_survives_an_empty_path);
    tcase_add_test(tc, mkdirs_tells_refused_from_missing);
    tcase_add_test(tc, remove_tree_stays_in_the_tree);
    tcase_add_test(tc, remove_tree_says_what_stays);
    tcase_add_test(tc, a_tree_weighs_what_is_in_it);
    return s;
}
