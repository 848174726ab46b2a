/* SPDX-License-Identifier: MIT */
#include "engine/qemu/make.h"

#include <stdio.h>
#include <string.h>

#include "core/lock.h"
#include "core/path.h"
#include "engine/qemu/instance.h"
#include "support.h"

#define GIB (UINT64_C(1) << 30)

struct place {
    struct csb__env env;
    struct test_runner runner;
    struct csb__spec spec;
    char *dir; /* of the machine "web" */
};

/* An image that is there, and a recipe that knows its hash. */
static void place_make(struct place *p, const struct test_answer *answers, size_t n) {
    static const char *const files[] = {"vmlinuz", "initrd", "root.img"};
    CSB__AUTOFREE char *recipe = NULL;
    CSB__AUTOFREE char *build = NULL;
    CSB__AUTOFREE char *helper = NULL;
    CSB__AUTOFREE char *image = NULL;
    CSB__AUTOFREE char *json = NULL;

    *p = (struct place){.runner = {.answers = answers, .n_answers = n}};
    test_env(&p->env);
    test_runner_use(&p->env, &p->runner);
    p->spec.name = strdup("web");
    p->dir = test_join(p->env.state_dir, "qemu/web");
    recipe = test_join(p->env.guest_dir, "image");
    build = test_join(recipe, "build");
    helper = test_join(p->env.guest_dir, "csb-guest");
    image = test_join(p->env.state_dir, "images/0123456789abcdef");
    json = test_join(image, "image.json");
    ck_assert(csb__mkdirs(recipe, NULL) == 0 && csb__mkdirs(image, NULL) == 0);
    test_write(build, "", 0755);
    test_write(helper, "", 0755);
    test_write(json, "{}", 0600);
    for (int i = 0; i < 3; i++) {
        CSB__AUTOFREE char *path = test_join(image, files[i]);

        test_write(path, "12345678", 0600);
    }
}

static void place_finish(struct place *p) {
    csb__spec_finish(&p->spec);
    test_runner_finish(&p->runner);
    csb__env_finish(&p->env);
    free(p->dir);
}

#define AUTOPLACE CSB__CLEANUP(place_finish) struct place
#define HASH                                                                                       \
    { .out = "0123456789abcdef\n" }

START_TEST(one_is_created) {
    static const struct test_answer answers[] = {HASH};
    AUTOPLACE p;
    CSB__AUTOINSTANCE i = {0};
    CSB__AUTOERROR csb_error *e = NULL;
    struct csb__template template = {.cpus = 7, .memory = 3 * GIB};
    const struct csb__source source = {.template_path = "/t.yaml", .template = &template};

    place_make(&p, answers, 1);
    p.spec.memory = 5 * GIB;
    ck_assert_msg(csb__qemu_create(&p.env, &p.spec, &source, &e) == 0, "%s", csb_error_message(e));
    ck_assert_int_eq(csb__instance_load(&p.env, "web", &i, NULL), 0);
    /* What is asked for, else what the template says, else what fits. */
    ck_assert_uint_eq(i.memory, 5 * GIB);
    ck_assert_int_eq(i.cpus, 7);
    ck_assert_uint_eq(i.disk, 40 * GIB);
    ck_assert_uint_eq(p.runner.n_calls, 4);
    ck_assert(test_has(&p.runner.calls[1].argv, "ssh-keygen"));
    ck_assert(test_has_words(&p.runner.calls[3].argv, "qemu-img", "create", "-q", "-f", "qcow2",
                             "-F", "raw", "-b", NULL));
    ck_assert(test_has(&p.runner.calls[3].argv, "42949672960"));
}
END_TEST

START_TEST(what_fails_leaves_nothing) {
    static const struct test_answer keys[] = {HASH, {.status = 1, .errout = "no\n"}};
    static const struct test_answer disk[] = {
        HASH, {.status = 0}, {.status = 0}, {.status = 1, .errout = "No space left\nx\n"}};
    static const struct test_answer cancel[] = {HASH, {.rc = CSB_ECANCELED}};
    const struct {
        const struct test_answer *answers;
        size_t n;
        int code;
    } table[] = {{keys, 2, CSB_ESYSTEM}, {disk, 4, CSB_EENGINE}, {cancel, 2, CSB_ECANCELED}};

    for (int i = 0; i < 3; i++) {
        AUTOPLACE p;
        const struct csb__source source = {.base = NULL};

        place_make(&p, table[i].answers, table[i].n);
        ck_assert_int_eq(csb__qemu_create(&p.env, &p.spec, &source, NULL), table[i].code);
        ck_assert(!test_exists(p.dir));
    }
}
END_TEST

START_TEST(somebody_elses_files_stay) {
    static const struct test_answer answers[] = {HASH};
    AUTOPLACE p;
    const struct csb__source source = {.base = NULL};

    place_make(&p, answers, 1);
    ck_assert_int_eq(csb__mkdirs(p.dir, NULL), 0);
    ck_assert_int_eq(csb__qemu_create(&p.env, &p.spec, &source, NULL), CSB_EEXISTS);
    ck_assert(test_exists(p.dir));
}
END_TEST

START_TEST(templates_ask_for_too_much) {
    AUTOPLACE p;
    CSB__AUTOERROR csb_error *e = NULL;
    struct csb__template template = {.beyond = (char *)"\"arch\"", .beyond_line = 5};
    const struct csb__source source = {.template_path = "/t.yaml", .template = &template};

    place_make(&p, NULL, 0);
    ck_assert_int_eq(csb__qemu_create(&p.env, &p.spec, &source, &e), CSB_ENOTSUP);
    ck_assert_str_eq(csb_error_message(e), "/t.yaml:5: the qemu engine can't do \"arch\"");
    ck_assert_uint_eq(p.runner.n_calls, 0);
}
END_TEST

static void put_base(struct place *p) {
    CSB__AUTOINSTANCE base = {0};

    ck_assert_int_eq(csb__instance_init(&p->env, "base", &base, NULL), 0);
    ck_assert_int_eq(csb__mkdirs(base.dir, NULL), 0);
    base.cpus = 2;
    base.memory = 2 * GIB;
    base.disk = 50 * GIB;
    base.image = strdup("/images/x");
    ck_assert_int_eq(csb__instance_save_config(&base, NULL), 0);
}

START_TEST(one_is_cloned) {
    AUTOPLACE p;
    CSB__AUTOINSTANCE i = {0};
    CSB__AUTOERROR csb_error *e = NULL;
    const struct csb__source source = {.base = "base"};

    place_make(&p, NULL, 0);
    put_base(&p);
    p.spec.disk = 60 * GIB;
    ck_assert_msg(csb__qemu_clone(&p.env, &p.spec, &source, &e) == 0, "%s", csb_error_message(e));
    ck_assert_int_eq(csb__instance_load(&p.env, "web", &i, NULL), 0);
    ck_assert_int_eq(i.cpus, 2);
    ck_assert_uint_eq(i.disk, 60 * GIB);
    ck_assert_str_eq(i.image, "/images/x");
    /* Keys of its own, a copy of the disk, and room. */
    ck_assert_uint_eq(p.runner.n_calls, 4);
    ck_assert(test_has(&p.runner.calls[2].argv, "cp"));
    ck_assert(test_has_words(&p.runner.calls[3].argv, "qemu-img", "resize", NULL));
}
END_TEST

START_TEST(one_becomes_bigger) {
    AUTOPLACE p;
    CSB__AUTOINSTANCE i = {0};
    CSB__AUTOERROR csb_error *small = NULL;
    struct csb__spec spec = {.name = (char *)"base", .cpus = 7, .disk = 60 * GIB};

    place_make(&p, NULL, 0);
    put_base(&p);
    ck_assert_int_eq(csb__qemu_configure(&p.env, &spec, "", NULL), 0);
    ck_assert_int_eq(csb__instance_load(&p.env, "base", &i, NULL), 0);
    ck_assert_int_eq(i.cpus, 7);
    ck_assert_uint_eq(i.memory, 2 * GIB);
    ck_assert_uint_eq(i.disk, 60 * GIB);
    ck_assert_uint_eq(p.runner.n_calls, 1);
    ck_assert(test_has_words(&p.runner.calls[0].argv, "qemu-img", "resize", NULL));
    spec.disk = 50 * GIB;
    ck_assert_int_eq(csb__qemu_configure(&p.env, &spec, "", &small), CSB_EINVAL);
    test_check_error(small, CSB_EINVAL, "60GiB");
}
END_TEST

START_TEST(what_cannot_be_cloned) {
    AUTOPLACE p;
    CSB__AUTOERROR csb_error *none = NULL;
    CSB__AUTOERROR csb_error *small = NULL;
    const struct csb__source source = {.base = "base"};
    CSB__AUTOCLOSE int lock = -1;

    place_make(&p, NULL, 0);
    ck_assert_int_eq(csb__qemu_clone(&p.env, &p.spec, &source, &none), CSB_ENOTFOUND);
    test_check_error(none, CSB_ENOTFOUND, "no VM named base to clone");
    put_base(&p);
    p.spec.disk = 49 * GIB;
    ck_assert_int_eq(csb__qemu_clone(&p.env, &p.spec, &source, &small), CSB_EINVAL);
    test_check_error(small, CSB_EINVAL, "50GiB");
    /* One that is being started. */
    p.spec.disk = 0;
    ck_assert_int_eq(csb__lock(&p.env, "base", "x", &lock, NULL), 0);
    csb__env_begin(&p.env, 50);
    ck_assert_int_eq(csb__qemu_clone(&p.env, &p.spec, &source, NULL), CSB_EBUSY);
    ck_assert(!test_exists(p.dir));
    ck_assert_uint_eq(p.runner.n_calls, 0);
}
END_TEST

START_TEST(removal_takes_all_and_half) {
    AUTOPLACE p;
    CSB__AUTOINSTANCE i = {0};

    place_make(&p, NULL, 0);
    ck_assert_int_eq(csb__qemu_remove(&p.env, "web", "", NULL), 0);
    ck_assert_int_eq(csb__instance_init(&p.env, "web", &i, NULL), 0);
    ck_assert(csb__mkdirs(i.dir, NULL) == 0 && csb__mkdirs(i.run_dir, NULL) == 0);
    ck_assert_int_eq(csb__qemu_remove(&p.env, "web", "", NULL), 0);
    ck_assert(!test_exists(i.dir) && !test_exists(i.run_dir));
}
END_TEST

Suite *qemu_make_suite(void);
Suite *qemu_make_suite(void) {
    Suite *s = suite_create("qemu_make");
    TCase *tc = test_case(s, "qemu_make");

    tcase_add_test(tc, one_is_created);
    tcase_add_test(tc, what_fails_leaves_nothing);
    tcase_add_test(tc, somebody_elses_files_stay);
    tcase_add_test(tc, templates_ask_for_too_much);
    tcase_add_test(tc, one_is_cloned);
    tcase_add_test(tc, one_becomes_bigger);
    tcase_add_test(tc, what_cannot_be_cloned);
    tcase_add_test(tc, removal_takes_all_and_half);
    return s;
}
