/* SPDX-License-Identifier: MIT */
#include "engine/qemu/instance.h"

#include <string.h>
#include <sys/stat.h>

#include "core/path.h"
#include "support.h"

static void make(struct csb__env *env, struct csb__instance *i) {
    *i = (struct csb__instance){0};
    ck_assert_int_eq(csb__instance_init(env, "web", i, NULL), 0);
    ck_assert_int_eq(csb__mkdirs(i->dir, NULL), 0);
    i->cpus = 3;
    i->memory = UINT64_C(1) << 33;
    i->disk = UINT64_C(1) << 42;
    i->image = strdup("/images/\xc3\xa9");
    i->boot = strdup("0123");
    i->pid = 4711;
    i->start_time = UINT64_C(1) << 40;
    i->ssh_port = 2222;
    i->ready = true;
}

START_TEST(what_is_saved_is_loaded) {
    TEST_AUTOENV env;
    CSB__AUTOINSTANCE i;
    CSB__AUTOINSTANCE config_only = {0};
    CSB__AUTOINSTANCE all = {0};

    test_env(&env);
    make(&env, &i);
    ck_assert_int_eq(csb__instance_save_config(&i, NULL), 0);
    ck_assert_int_eq(csb__instance_load(&env, "web", &config_only, NULL), 0);
    ck_assert_int_eq(config_only.pid, 0);
    ck_assert_str_eq(config_only.boot, "");
    ck_assert(!config_only.ready);
    ck_assert_int_eq(csb__instance_save_run(&i, NULL), 0);
    ck_assert_int_eq(csb__instance_load(&env, "web", &all, NULL), 0);
    ck_assert_str_eq(all.dir, i.dir);
    ck_assert_str_eq(all.run_dir, i.run_dir);
    ck_assert_int_eq(all.cpus, 3);
    ck_assert_uint_eq(all.memory, i.memory);
    ck_assert_uint_eq(all.disk, i.disk);
    ck_assert_str_eq(all.image, i.image);
    ck_assert_int_eq(all.pid, 4711);
    ck_assert_uint_eq(all.start_time, i.start_time);
    ck_assert_str_eq(all.boot, "0123");
    ck_assert_int_eq(all.ssh_port, 2222);
    ck_assert(all.ready);
}
END_TEST

START_TEST(what_is_not_there) {
    TEST_AUTOENV env;
    CSB__AUTOINSTANCE i = {0};

    test_env(&env);
    ck_assert_int_eq(csb__instance_load(&env, "web", &i, NULL), CSB_ENOTFOUND);
}
END_TEST

START_TEST(damage_is_noticed) {
    static const char *const configs[] = {
        "",
        "{}",
        "[]",
        "{\"cpus\": 0, \"memory\": 1, \"disk\": 1, \"image\": \"/i\"}",
        "{\"cpus\": 1, \"memory\": 0, \"disk\": 1, \"image\": \"/i\"}",
        "{\"cpus\": 1, \"memory\": 1, \"disk\": 0, \"image\": \"/i\"}",
        "{\"cpus\": 1, \"memory\": 1, \"disk\": 1, \"image\": \"\"}",
        "{\"cpus\": 1, \"memory\": 1, \"disk\": 1, \"image\": 5}",
        "{\"cpus\": \"1\", \"memory\": 1, \"disk\": 1, \"image\": \"/i\"}",
    };
    TEST_AUTOENV env;
    CSB__AUTOINSTANCE i;
    CSB__AUTOFREE char *path = NULL;

    test_env(&env);
    make(&env, &i);
    path = csb__instance_path(&i, "config.json");
    for (size_t k = 0; k < sizeof(configs) / sizeof(configs[0]); k++) {
        CSB__AUTOINSTANCE loaded = {0};

        test_write(path, configs[k], 0600);
        ck_assert_msg(csb__instance_load(&env, "web", &loaded, NULL) == CSB_EPROTOCOL, "%s",
                      configs[k]);
    }
}
END_TEST

START_TEST(a_damaged_run_is_as_never_started) {
    static const char *const runs[] = {"",
                                       "{",
                                       "[]",
                                       "{\"pid\": \"x\", \"boot\": 5}",
                                       "{\"pid\": -1, \"ssh_port\": 65536}",
                                       "{\"pid\": 4294967297}"};
    TEST_AUTOENV env;
    CSB__AUTOINSTANCE i;
    CSB__AUTOFREE char *path = NULL;

    test_env(&env);
    make(&env, &i);
    ck_assert_int_eq(csb__instance_save_config(&i, NULL), 0);
    path = csb__instance_path(&i, "run.json");
    for (size_t k = 0; k < sizeof(runs) / sizeof(runs[0]); k++) {
        CSB__AUTOINSTANCE loaded = {0};

        test_write(path, runs[k], 0600);
        ck_assert_int_eq(csb__instance_load(&env, "web", &loaded, NULL), 0);
        ck_assert_int_eq(loaded.pid, 0);
        ck_assert_int_eq(loaded.ssh_port, 0);
        ck_assert_str_eq(loaded.boot, "");
    }
}
END_TEST

START_TEST(sockets_need_short_paths) {
    TEST_AUTOENV env;
    CSB__AUTOINSTANCE i = {0};
    char long_dir[120];

    test_env(&env);
    ck_assert(csb__instance_paths_fit(&env));
    ck_assert_int_eq(
        csb__instance_init(&env, "a-name-of-sixty-three-characters-is-the-longest-that-there-is-x",
                           &i, NULL),
        0);
    /* However long the name, the sockets' directory is short. */
    ck_assert_uint_eq(strlen(i.run_dir), strlen(env.state_dir) + strlen("/run/01234567"));
    memset(long_dir, 'x', sizeof(long_dir));
    long_dir[0] = '/';
    long_dir[sizeof(long_dir) - 1] = '\0';
    free(env.state_dir);
    env.state_dir = strdup(long_dir);
    ck_assert(!csb__instance_paths_fit(&env));
}
END_TEST

Suite *qemu_instance_suite(void);
Suite *qemu_instance_suite(void) {
    Suite *s = suite_create("qemu_instance");
    TCase *tc = test_case(s, "qemu_instance");

    tcase_add_test(tc, what_is_saved_is_loaded);
    tcase_add_test(tc, what_is_not_there);
    tcase_add_test(tc, damage_is_noticed);
    tcase_add_test(tc, a_damaged_run_is_as_never_started);
    tcase_add_test(tc, sockets_need_short_paths);
    return s;
}
