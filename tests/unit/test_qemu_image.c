/* SPDX-License-Identifier: MIT */
#include "engine/qemu/image.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/lock.h"
#include "core/path.h"
#include "support.h"

static void put(const char *dir, const char *name, const char *text, mode_t mode) {
    CSB__AUTOFREE char *path = test_join(dir, name);

    test_write(path, text, mode);
}

static void put_image(const char *dir) {
    put(dir, "image.json", "{\"kernel_args\": \"root=x\"}", 0600);
    put(dir, "vmlinuz", "k", 0600);
    put(dir, "initrd", "i", 0600);
    put(dir, "root.img", "12345", 0600);
}

START_TEST(one_that_is_there) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *kernel = test_join(dir, "vmlinuz");
    CSB__AUTOIMAGE image = {0};

    put_image(dir);
    ck_assert_int_eq(csb__image_load(dir, &image, NULL), 0);
    ck_assert_str_eq(image.dir, dir);
    ck_assert_str_eq(image.kernel, kernel);
    ck_assert_str_eq(image.kernel_args, "root=x");
    ck_assert_uint_eq(image.size, 5);
    /* An uncompressed one is faster, where it is there. */
    put(dir, "vmlinux", "k", 0600);
    csb__image_finish(&image);
    ck_assert_int_eq(csb__image_load(dir, &image, NULL), 0);
    ck_assert_str_eq(strrchr(image.kernel, '/'), "/vmlinux");
}
END_TEST

START_TEST(one_that_is_not) {
    static const char *const parts[] = {"vmlinuz", "initrd", "root.img"};
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOIMAGE none = {0};
    CSB__AUTOIMAGE damaged = {0};

    ck_assert_int_eq(csb__image_load(dir, &none, NULL), CSB_ENOTFOUND);
    for (size_t i = 0; i < 3; i++) {
        CSB__AUTOFREE char *path = test_join(dir, parts[i]);
        CSB__AUTOERROR csb_error *e = NULL;
        CSB__AUTOIMAGE image = {0};

        put_image(dir);
        ck_assert_int_eq(unlink(path), 0);
        ck_assert_int_eq(csb__image_load(dir, &image, &e), CSB_EENGINE);
        test_check_error(e, CSB_EENGINE, "incomplete");
    }
    put(dir, "image.json", "{", 0600);
    ck_assert_int_eq(csb__image_load(dir, &damaged, NULL), CSB_EPROTOCOL);
}
END_TEST

/* A recipe that is real, but for what it makes. */
static void put_recipe(const struct csb__env *env, const char *build) {
    CSB__AUTOFREE char *image = test_join(env->guest_dir, "image");
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;

    ck_assert_int_eq(csb__mkdirs(image, NULL), 0);
    csb__strbuf_puts(&script, "#!/bin/sh\nset -e\n[ \"$1\" = --helper ]; [ -r \"$2\" ]; shift 2\n"
                              "echo \"$1\" >>\"${0%/*}/calls\"\n"
                              "if [ \"$1\" = --hash ]; then echo 0123456789abcdef0123; exit; fi\n"
                              "[ \"$1\" = --output ]; out=$2\n");
    csb__strbuf_puts(&script, build);
    put(image, "build", csb__strbuf_text(&script), 0755);
    put(env->guest_dir, "csb-guest", "x", 0755);
}

#define MAKE                                                                                       \
    "mkdir \"$out\"; cd \"$out\"; echo k >vmlinuz; echo i >initrd; echo r >root.img\n"             \
    "echo '{}' >image.json\n"

struct heard {
    int n;
    char text[64];
};

static void hear(int step, int steps, const char *text, void *userdata) {
    struct heard *h = userdata;

    h->n++;
    snprintf(h->text, sizeof(h->text), "%d/%d %s", step, steps, text);
}

START_TEST(it_is_built_once) {
    TEST_AUTOENV env;
    CSB__AUTOIMAGE image = {0};
    CSB__AUTOIMAGE again = {0};
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOFREE char *dir = NULL;
    CSB__AUTOFREE char *calls_path = NULL;
    CSB__AUTOFREE char *calls = NULL;
    struct heard h = {0};

    test_env(&env);
    dir = test_join(env.state_dir, "images/0123456789abcdef");
    calls_path = test_join(env.guest_dir, "image/calls");
    put_recipe(&env, "echo noise\necho 'phase 2/7 Installing packages'\n" MAKE);
    env.progress = hear;
    env.progress_userdata = &h;
    ck_assert_msg(csb__image_ensure(&env, &image, &e) == 0, "%s", csb_error_message(e));
    ck_assert_str_eq(image.dir, dir);
    ck_assert_int_eq(h.n, 1);
    ck_assert_str_eq(h.text, "2/7 Installing packages");
    ck_assert_int_eq(csb__image_ensure(&env, &again, NULL), 0);
    calls = test_read(calls_path);
    ck_assert_str_eq(calls, "--hash\n--output\n--hash\n");
}
END_TEST

START_TEST(a_machine_may_be_called_image) {
    TEST_AUTOENV env;
    CSB__AUTOIMAGE image = {0};
    CSB__AUTOCLOSE int lock = -1;

    test_env(&env);
    put_recipe(&env, MAKE);
    ck_assert_int_eq(csb__lock(&env, "image", "creating this VM", &lock, NULL), 0);
    csb__env_begin(&env, 10000);
    ck_assert_int_eq(csb__image_ensure(&env, &image, NULL), 0);
}
END_TEST

START_TEST(a_failed_build_says_why) {
    TEST_AUTOENV env;
    CSB__AUTOIMAGE image = {0};
    CSB__AUTOERROR csb_error *e = NULL;

    test_env(&env);
    put_recipe(&env, "echo long story >\"$out.log\"; echo 'x\nno network' >&2; exit 3\n");
    ck_assert_int_eq(csb__image_ensure(&env, &image, &e), CSB_EENGINE);
    ck_assert_str_eq(csb_error_message(e), "building the guest image: no network");
    ck_assert_str_eq(csb_error_detail(e), "long story\n");
    ck_assert_int_eq(csb_error_exit_status(e), 3);
    ck_assert_ptr_nonnull(strstr(csb_error_hint(e), "0123456789abcdef.log"));
}
END_TEST

START_TEST(a_recipe_without_a_hash) {
    static const char *const hashes[] = {"", "short", "ABCDEF0123456789", "../../../../x"};

    for (size_t i = 0; i < 4; i++) {
        TEST_AUTOENV env;
        TEST_AUTORUNNER runner = {0};
        const struct test_answer answers[] = {{.out = hashes[i]}};
        CSB__AUTOIMAGE image = {0};

        test_env(&env);
        put_recipe(&env, "");
        runner.answers = answers;
        runner.n_answers = 1;
        test_runner_use(&env, &runner);
        ck_assert_int_eq(csb__image_ensure(&env, &image, NULL), CSB_EPROTOCOL);
        ck_assert_uint_eq(runner.n_calls, 1);
    }
}
END_TEST

START_TEST(no_recipe_at_all) {
    TEST_AUTOENV env;
    CSB__AUTOIMAGE image = {0};
    CSB__AUTOERROR csb_error *e = NULL;

    test_env(&env);
    ck_assert_int_eq(csb__image_ensure(&env, &image, &e), CSB_EENGINE);
    test_check_error(e, CSB_EENGINE, env.guest_dir);
    ck_assert_ptr_nonnull(strstr(csb_error_hint(e), "CLAUDE_SANDBOX_GUEST_DIR"));
}
END_TEST

Suite *qemu_image_suite(void);
Suite *qemu_image_suite(void) {
    Suite *s = suite_create("qemu_image");
    TCase *tc = test_case(s, "qemu_image");

    tcase_add_test(tc, one_that_is_there);
    tcase_add_test(tc, one_that_is_not);
    tcase_add_test(tc, it_is_built_once);
    tcase_add_test(tc, a_machine_may_be_called_image);
    tcase_add_test(tc, a_failed_build_says_why);
    tcase_add_test(tc, a_recipe_without_a_hash);
    tcase_add_test(tc, no_recipe_at_all);
    return s;
}
