/* SPDX-License-Identifier: MIT */
/* What belongs to nobody goes, and nothing else does. Machines are those of the built-in engine, which
 * are files. */
#include <stdio.h>
#include <string.h>

#include <claudesandbox/context.h>

#include "core/lock.h"
#include "core/path.h"
#include "engine/qemu/instance.h"
#include "model/vm_name.h"
#include "store.h"
#include "support.h"
#include "vm.h"

#define CURRENT "0123456789abcdef"
#define OLD "aaaaaaaaaaaaaaaa"
#define OLDER "bbbbbbbbbbbbbbbb"

static csb_ctx ctx;
static struct test_runner runner;
static struct test_answer answers[4]; /* of the recipe */
static char told[2048];

static void setup(void) {
    CSB__AUTOFREE char *recipe = NULL;
    CSB__AUTOFREE char *build = NULL;
    CSB__AUTOFREE char *helper = NULL;

    ctx = (csb_ctx){0};
    for (int i = 0; i < 4; i++) {
        answers[i] = (struct test_answer){.out = CURRENT "\n"};
    }
    runner = (struct test_runner){.answers = answers, .n_answers = 4};
    test_env(&ctx.env);
    test_runner_use(&ctx.env, &runner);
    recipe = test_join(ctx.env.guest_dir, "image");
    build = test_join(recipe, "build");
    helper = test_join(ctx.env.guest_dir, "csb-guest");
    ck_assert_int_eq(csb__mkdirs(recipe, NULL), 0);
    test_write(build, "", 0755);
    test_write(helper, "", 0755);
}

static void teardown(void) {
    test_runner_finish(&runner);
    csb__env_finish(&ctx.env);
}

static char *in_state(const char *name) {
    return test_join(ctx.env.state_dir, name);
}

static bool is_there(const char *name) {
    CSB__AUTOFREE char *path = in_state(name);

    return test_exists(path);
}

static void put_dir(const char *name) {
    CSB__AUTOFREE char *path = in_state(name);
    CSB__AUTOFREE char *file = test_join(path, "file");

    ck_assert_int_eq(csb__mkdirs(path, NULL), 0);
    test_write(file, "some bytes", 0600);
}

static void put_record(const char *name, bool complete) {
    CSB__AUTORECORD r = {.engine = strdup("qemu"),
                         .engine_home = strdup(""),
                         .complete = complete,
                         .spec = {.name = strdup(name), .project_dir = strdup("/p")}};

    ck_assert_int_eq(csb__store_save(&ctx.env, &r, NULL), 0);
}

/* The engine's part of a machine. */
static void put_machine(const char *name, const char *image) {
    CSB__AUTOINSTANCE i = {.cpus = 1, .memory = 1, .disk = 1, .image = test_join("/images", image)};

    ck_assert_int_eq(csb__instance_init(&ctx.env, name, &i, NULL), 0);
    ck_assert(csb__mkdirs(i.dir, NULL) == 0 && csb__mkdirs(i.run_dir, NULL) == 0);
    ck_assert_int_eq(csb__instance_save_config(&i, NULL), 0);
}

static void note(const char *what, const char *path, uint64_t bytes, const csb_error *failure,
                 void *userdata) {
    size_t len = strlen(told);

    (void)bytes;
    ck_assert_ptr_eq(userdata, &ctx);
    ck_assert_ptr_nonnull(what);
    ck_assert_int_eq(strncmp(path, ctx.env.state_dir, strlen(ctx.env.state_dir)), 0);
    snprintf(told + len, sizeof(told) - len, "%s%s\n", path + strlen(ctx.env.state_dir) + 1,
             failure ? " failed" : "");
}

static void clean(unsigned flags) {
    CSB__AUTOERROR csb_error *e = NULL;

    told[0] = '\0';
    ck_assert_msg(csb_ctx_clean(&ctx, flags, note, &ctx, &e) == 0, "%s", csb_error_message(e));
}

START_TEST(what_has_an_owner_stays) {
    put_record("web", true);
    put_machine("web", OLD);
    put_dir("images/" OLD);
    put_dir("images/" CURRENT);
    put_dir("images/mine");
    put_dir("run/hooks");
    put_dir("locks");
    put_dir("qemu/.hidden");
    clean(0);
    ck_assert_str_eq(told, "");
    ck_assert(is_there("qemu/web/config.json") && is_there("images/" OLD));
    ck_assert(is_there("images/" CURRENT) && is_there("images/mine") && is_there("run/hooks"));
}
END_TEST

START_TEST(nothing_is_made_by_looking) {
    CSB__AUTOFREE char *dir = in_state("");
    int before = test_count_entries(dir);

    clean(CSB_CLEAN_DRY_RUN);
    ck_assert_str_eq(told, "");
    ck_assert_int_eq(test_count_entries(dir), before);
    ck_assert_uint_eq(runner.n_calls, 0);
    ck_assert_int_eq(csb_ctx_clean(&ctx, 2, NULL, NULL, NULL), CSB_EINVAL);
}
END_TEST

static void check_there(const char *const *names, bool there) {
    for (; *names; names++) {
        ck_assert_msg(is_there(*names) == there, "%s", *names);
    }
}

START_TEST(what_has_none_goes) {
    static const char *const left[] = {
        "vms/gone.json", "vms/half.json",           "qemu/half", "qemu/lost", "run/0badcafe",
        "images/" OLD,   "images/" OLDER ".tmp-12", NULL};

    put_record("half", false);
    put_machine("half", OLD);
    put_record("gone", true);
    put_machine("lost", OLDER);
    put_dir("run/0badcafe");
    put_dir("images/" OLD);
    put_dir("images/" OLDER ".tmp-12");
    clean(CSB_CLEAN_DRY_RUN);
    ck_assert_ptr_nonnull(strstr(told, "vms/gone.json\nvms/half.json\nqemu/lost\nrun/0badcafe\n"));
    ck_assert_ptr_nonnull(strstr(told, "images/" OLDER ".tmp-12\n"));
    check_there(left, true);
    clean(0);
    ck_assert_ptr_null(strstr(told, "failed"));
    ck_assert_ptr_nonnull(strstr(told, "images/" OLD "\n"));
    check_there(left, false);
    clean(0);
    ck_assert_str_eq(told, "");
}
END_TEST

START_TEST(what_somebody_works_on_stays) {
    CSB__AUTOCLOSE int half = -1;
    CSB__AUTOCLOSE int lost = -1;

    put_record("half", false);
    put_machine("half", OLD);
    put_machine("lost", OLD);
    put_dir("images/" OLDER);
    ck_assert_int_eq(csb__lock(&ctx.env, "half", "", &half, NULL), 0);
    ck_assert_int_eq(csb__lock(&ctx.env, "lost", "", &lost, NULL), 0);
    clean(0);
    ck_assert_str_eq(told, "");
    ck_assert(is_there("vms/half.json") && is_there("qemu/half") && is_there("qemu/lost"));
    /* Not even that: the one in the making may be about to use it. */
    ck_assert(is_there("images/" OLDER));
}
END_TEST

START_TEST(one_in_the_making_is_not_broken) {
    CSB__AUTOCLOSE int lock = -1;
    csb_vm *vm = NULL;

    put_record("half", false);
    ck_assert_int_eq(csb_vm_open(&ctx, "half", &vm, NULL), 0);
    ck_assert_int_eq(csb_vm_state(vm), CSB_VM_BROKEN);
    ck_assert_int_eq(csb__lock(&ctx.env, "half", "", &lock, NULL), 0);
    ck_assert_int_eq(csb_vm_refresh(vm, NULL), 0);
    ck_assert_int_eq(csb_vm_state(vm), CSB_VM_STARTING);
    ck_assert_str_eq(csb_vm_state_reason(vm), "it is being created");
    csb_vm_free(vm);
}
END_TEST

START_TEST(in_doubt_it_stays) {
    static const char *const kept[] = {"qemu/odd/config.json", "images/" OLD, "images/" OLDER,
                                       NULL};
    CSB__AUTOFREE char *damaged = NULL;

    put_machine("odd", OLD);
    put_dir("images/" OLD);
    put_dir("images/" OLDER);
    put_record("x", true); /* makes the directory */
    put_machine("x", OLD);
    damaged = in_state("vms/odd.json");
    test_write(damaged, "{", 0600);
    answers[0].status = 1;
    clean(0);
    /* A record that can't be read is one all the same; no image goes while today's is unknown. */
    ck_assert_str_eq(told, "");
    check_there(kept, true);
    clean(0);
    ck_assert_str_eq(told, "images/" OLDER "\n");
    ck_assert(is_there("images/" OLD));
}
END_TEST

START_TEST(a_home_that_is_not_mounted) {
    CSB__AUTORECORD r = {.engine = strdup("lima"),
                         .engine_home = strdup("/nonexistent/lima"),
                         .complete = true,
                         .spec = {.name = strdup("away")}};

    ck_assert_int_eq(csb__store_save(&ctx.env, &r, NULL), 0);
    clean(0);
    ck_assert_str_eq(told, "");
    ck_assert(is_there("vms/away.json"));
}
END_TEST

START_TEST(while_one_is_half_renamed) {
    CSB__AUTOFREE char *journal = in_state("rename.json");
    CSB__AUTOERROR csb_error *e = NULL;

    /* The directory has its new name already, the record not yet; and it can't be finished. */
    put_record("base-new", true);
    put_machine("base", OLD);
    test_write(journal, "{}", 0600);
    ck_assert_int_eq(csb_ctx_clean(&ctx, CSB_CLEAN_DRY_RUN, note, &ctx, NULL), CSB_EBUSY);
    ck_assert_int_eq(csb_ctx_clean(&ctx, 0, note, &ctx, &e), CSB_EBUSY);
    test_check_error(e, CSB_EBUSY, "renamed");
    ck_assert(is_there("qemu/base/config.json") && is_there("vms/base-new.json"));
}
END_TEST

START_TEST(links_lead_nowhere) {
    CSB__AUTOFREE char *precious = in_state("precious");
    CSB__AUTOFREE char *link = NULL;

    put_dir("precious");
    put_dir("qemu/lost");
    put_dir("images");
    put_dir("run");
    link = in_state("qemu/lost/link");
    ck_assert_int_eq(symlink(precious, link), 0);
    free(link);
    link = in_state("qemu/linked");
    ck_assert_int_eq(symlink(precious, link), 0);
    free(link);
    link = in_state("run/0badcafe");
    ck_assert_int_eq(symlink(precious, link), 0);
    clean(0);
    ck_assert_str_eq(told, "qemu/lost\n");
    ck_assert(is_there("precious/file") && is_there("qemu/linked") && is_there("run/0badcafe"));
}
END_TEST

Suite *clean_suite(void);
Suite *clean_suite(void) {
    Suite *s = suite_create("clean");
    TCase *tc = test_case(s, "clean");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_has_an_owner_stays);
    tcase_add_test(tc, nothing_is_made_by_looking);
    tcase_add_test(tc, what_has_none_goes);
    tcase_add_test(tc, what_somebody_works_on_stays);
    tcase_add_test(tc, one_in_the_making_is_not_broken);
    tcase_add_test(tc, in_doubt_it_stays);
    tcase_add_test(tc, a_home_that_is_not_mounted);
    tcase_add_test(tc, while_one_is_half_renamed);
    tcase_add_test(tc, links_lead_nowhere);
    return s;
}
