/* SPDX-License-Identifier: MIT */
#include "store.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "support.h"

static void save(struct csb__env *env, const char *name, bool complete) {
    CSB__AUTORECORD r = {.engine = strdup("qemu"),
                         .engine_home = strdup(""),
                         .complete = complete,
                         .spec = {.name = strdup(name), .project_dir = strdup("/p")}};

    ck_assert_int_eq(csb__store_save(env, &r, NULL), 0);
}

static char *record_file(const struct csb__env *env, const char *name) {
    char *path = NULL;

    ck_assert_int_ge(asprintf(&path, "%s/vms/%s.json", env->state_dir, name), 0);
    return path;
}

START_TEST(what_is_saved_is_loaded) {
    TEST_AUTOENV env;
    CSB__AUTORECORD r = {0};
    CSB__AUTORECORD again = {0};
    CSB__AUTOFREE char *path = NULL;
    struct stat st;

    test_env(&env);
    save(&env, "a", false);
    path = record_file(&env, "a");
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(csb__store_load(&env, "a", &r, NULL), 0);
    ck_assert_str_eq(r.spec.project_dir, "/p");
    ck_assert(!r.complete);
    save(&env, "a", true);
    ck_assert_int_eq(csb__store_load(&env, "a", &again, NULL), 0);
    ck_assert(again.complete);
}
END_TEST

START_TEST(what_is_not_there) {
    TEST_AUTOENV env;
    CSB__AUTORECORD r = {0};
    CSB__AUTOERROR csb_error *e = NULL;

    test_env(&env);
    ck_assert_int_eq(csb__store_load(&env, "a", &r, &e), CSB_ENOTFOUND);
    test_check_error(e, CSB_ENOTFOUND, "no VM named a");
    ck_assert_int_eq(csb__store_remove(&env, "a", NULL), 0);
    save(&env, "a", true);
    ck_assert_int_eq(csb__store_remove(&env, "a", NULL), 0);
    ck_assert_int_eq(csb__store_load(&env, "a", &r, NULL), CSB_ENOTFOUND);
}
END_TEST

START_TEST(a_bad_record_is_named) {
    TEST_AUTOENV env;
    CSB__AUTORECORD r = {0};
    CSB__AUTOERROR csb_error *damaged = NULL;
    CSB__AUTOERROR csb_error *foreign = NULL;
    CSB__AUTOERROR csb_error *linked = NULL;
    CSB__AUTOFREE char *a = NULL;
    CSB__AUTOFREE char *b = NULL;
    CSB__AUTOFREE char *c = NULL;

    test_env(&env);
    save(&env, "a", true);
    a = record_file(&env, "a");
    b = record_file(&env, "b");
    c = record_file(&env, "c");
    ck_assert_int_eq(symlink(a, c), 0);
    ck_assert_int_eq(csb__store_load(&env, "c", &r, &linked), CSB_ESYSTEM);
    ck_assert_int_eq(rename(a, b), 0);
    ck_assert_int_eq(csb__store_load(&env, "b", &r, &foreign), CSB_EPROTOCOL);
    test_check_error(foreign, CSB_EPROTOCOL, "is of another VM");
    ck_assert_ptr_null(r.spec.name);
    test_write(b, "{", 0600);
    ck_assert_int_eq(csb__store_load(&env, "b", &r, &damaged), CSB_EPROTOCOL);
    test_check_error(damaged, CSB_EPROTOCOL, b);
}
END_TEST

static void count_line(int level, const char *text, void *userdata) {
    (void)level;
    (void)text;
    ++*(int *)userdata;
}

START_TEST(a_list_leaves_out_what_is_no_record) {
    TEST_AUTOENV env;
    struct csb__record *list;
    CSB__AUTOFREE char *bad = NULL;
    CSB__AUTOFREE char *tmp = NULL;
    CSB__AUTOFREE char *odd = NULL;
    CSB__AUTOFREE char *dir = NULL;
    int logged = 0;
    size_t n;

    test_env(&env);
    ck_assert_int_eq(csb__store_list(&env, &list, &n, NULL), 0);
    ck_assert_uint_eq(n, 0);
    save(&env, "c", true);
    save(&env, "a", true);
    save(&env, "b", false);
    bad = record_file(&env, "bad");
    tmp = record_file(&env, "a.json.01234567.tmp");
    odd = record_file(&env, ".hidden");
    dir = record_file(&env, "dir");
    test_write(bad, "[]", 0600);
    test_write(tmp, "{", 0600);
    test_write(odd, "{}", 0600);
    ck_assert_int_eq(mkdir(dir, 0700), 0);
    env.log = count_line;
    env.log_userdata = &logged;
    ck_assert_int_eq(csb__store_list(&env, &list, &n, NULL), 0);
    ck_assert_uint_eq(n, 3);
    ck_assert_str_eq(list[0].spec.name, "a");
    ck_assert_str_eq(list[1].spec.name, "b");
    ck_assert_str_eq(list[2].spec.name, "c");
    ck_assert_int_ge(logged, 2);
    csb__store_list_free(list, n);
}
END_TEST

Suite *store_suite(void);
Suite *store_suite(void) {
    Suite *s = suite_create("store");
    TCase *tc = test_case(s, "store");

    tcase_add_test(tc, what_is_saved_is_loaded);
    tcase_add_test(tc, what_is_not_there);
    tcase_add_test(tc, a_bad_record_is_named);
    tcase_add_test(tc, a_list_leaves_out_what_is_no_record);
    return s;
}
