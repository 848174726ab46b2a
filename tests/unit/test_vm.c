/* SPDX-License-Identifier: MIT */
/* Policy: what is done in which order, and what is undone when it goes wrong. */
#include <string.h>
#include <sys/stat.h>

#include "core/lock.h"
#include "fake_vm.h"
#include "guest/keeper.h"
#include "guest/ready.h"
#include "store.h"

static bool has_record(struct fake_vm *f) {
    CSB__AUTORECORD r = {0};

    return csb__store_load(&f->ctx.env, "web", &r, NULL) == 0;
}

START_TEST(getters_tell_what_is_known) {
    AUTOVM f;

    fake_vm_make(&f, NULL, 0);
    ck_assert_str_eq(csb_vm_name(&f.vm), "web");
    ck_assert_str_eq(csb_vm_project_dir(&f.vm), FAKE_PROJECT);
    ck_assert_str_eq(csb_vm_engine(&f.vm), "fake");
    ck_assert_int_eq(csb_vm_state(&f.vm), CSB_VM_STOPPED);
    ck_assert_str_eq(csb_vm_state_name(&f.vm), "stopped");
    ck_assert_str_eq(csb_vm_state_reason(&f.vm), "");
    ck_assert_str_eq(csb_vm_ssh_config(&f.vm), "");
    ck_assert_str_eq(csb_vm_ssh_host(&f.vm), "");
    ck_assert_int_eq(csb_vm_cpus(&f.vm), 0);
    f.vm.record.spec.cpus = 7;
    ck_assert_int_eq(csb_vm_cpus(&f.vm), 7);
    f.vm.record.created = 8;
    ck_assert_int_eq(csb_vm_created(&f.vm), 8);
    ck_assert_int_eq(csb_vm_started(&f.vm), 0);
    fake_vm_run(&f);
    ck_assert_str_eq(csb_vm_state_name(&f.vm), "running");
    ck_assert_int_eq(csb_vm_cpus(&f.vm), 2);
    ck_assert_uint_eq(csb_vm_memory_bytes(&f.vm), 3);
    ck_assert_uint_eq(csb_vm_disk_bytes(&f.vm), 4);
    ck_assert_uint_eq(csb_vm_disk_used_bytes(&f.vm), 5);
    ck_assert_int_eq(csb_vm_started(&f.vm), 6);
    ck_assert_str_eq(csb_vm_ssh_config(&f.vm), "/ssh.config");
    ck_assert_str_eq(csb_vm_ssh_host(&f.vm), "box");
    csb_vm_free(NULL);
    csb_vm_list_free(NULL);
}
END_TEST

/* A caller may keep what a getter gave for as long as the handle, over calls that read the record anew. */
START_TEST(names_stay_where_they_are) {
    AUTOVM f;
    const char *name;
    const char *project;
    const char *engine;

    fake_vm_make(&f, NULL, 0);
    name = csb_vm_name(&f.vm);
    project = csb_vm_project_dir(&f.vm);
    engine = csb_vm_engine(&f.vm);
    ck_assert_int_eq(csb_vm_stop(&f.vm, 0, NULL), 0);
    ck_assert_ptr_eq(csb_vm_name(&f.vm), name);
    ck_assert_ptr_eq(csb_vm_project_dir(&f.vm), project);
    ck_assert_ptr_eq(csb_vm_engine(&f.vm), engine);
    ck_assert_str_eq(name, "web");
    ck_assert_str_eq(project, FAKE_PROJECT);
    ck_assert_str_eq(engine, "fake");
}
END_TEST

/* As the ssh that stays does. */
static void make_control(const struct csb__run *run, void *path) {
    (void)run;
    test_write(path, "", 0600);
}

START_TEST(starting_readies_the_guest) {
    /* ssh, git for a name, git for an address, ssh; csb-guest is taken, or not, or there already. */
    const struct test_answer answers[] = {
        {.status = 0, .hook = make_control},
        {.out = "Ann O'Nym\n"},
        {.status = 1},
        {.out = _i == 2 ? "keeper yes\n" FAKE_MOUNTINFO : FAKE_MOUNTINFO},
        {.status = _i == 1 ? 3 : 0}};
    AUTOVM f;
    CSB__AUTOFREE char *helper = NULL;
    CSB__AUTOFREE char *keeper = NULL;
    CSB__AUTOERROR csb_error *e = NULL;

    fake_vm_make(&f, answers, 5);
    helper = test_join(f.ctx.env.guest_dir, "csb-guest");
    ck_assert_int_eq(mkdir(f.ctx.env.guest_dir, 0700), 0);
    test_write(helper, "ELF and so on", 0755);
    f.runner.data = f.control;
    ck_assert_msg(csb_vm_start(&f.vm, &e) == 0, "%s", csb_error_message(e));
    ck_assert_str_eq(fake_calls, "inspect,start,inspect,");
    ck_assert_uint_eq(f.runner.n_calls, _i == 2 ? 5 : 6);
    ck_assert_ptr_nonnull(strstr(f.runner.calls[3].input, "name = \"Ann O'"));
    if (_i < 2) {
        ck_assert_str_eq(f.runner.calls[4].input, "ELF and so on");
    }
    keeper = csb__ready_keeper(&f.vm.machine.door);
    ck_assert_pstr_eq(keeper, _i == 1 ? NULL : CSB__KEEPER_PATH);
    /* The place of its hooks is looked for; there is none, which is no reason to fail. */
    ck_assert(test_has_words(&f.runner.calls[f.runner.n_calls - 1].argv, "box", "--", NULL));
    ck_assert_int_eq(csb_vm_state(&f.vm), CSB_VM_RUNNING);
}
END_TEST

START_TEST(a_failed_start_is_stopped_and_shows_the_console) {
    AUTOVM f;
    CSB__AUTOERROR csb_error *e = NULL;

    fake_vm_make(&f, NULL, 0);
    fake_start_rc = CSB_EENGINE;
    ck_assert_int_eq(csb_vm_start(&f.vm, &e), CSB_EENGINE);
    ck_assert_str_eq(csb_error_message(e), "starting web: start went wrong");
    ck_assert_str_eq(csb_error_detail(e), "Kernel panic\n");
    ck_assert_str_eq(fake_calls, "inspect,start,console,stop,inspect,");
    ck_assert_uint_eq(fake_stop_flags, CSB__STOP_FORCE | CSB__STOP_UNDO);
    ck_assert_int_eq(csb_vm_state(&f.vm), CSB_VM_STOPPED);
}
END_TEST

START_TEST(somebody_may_be_in_a_running_one) {
    static const struct test_answer answers[] = {{.rc = CSB_ESYSTEM}};
    AUTOVM f;

    fake_vm_make(&f, answers, 1);
    fake_vm_run(&f);
    ck_assert_int_eq(csb_vm_start(&f.vm, NULL), CSB_ESYSTEM);
    ck_assert_ptr_null(strstr(fake_calls, "stop"));
    ck_assert_int_eq(csb_vm_state(&f.vm), CSB_VM_RUNNING);
}
END_TEST

START_TEST(one_that_sees_too_much_is_stopped) {
    static const struct test_answer answers[] = {
        {.status = 0},
        {.out = FAKE_MOUNTINFO "37 22 0:41 / /secret rw - 9p x rw\n"},
    };
    AUTOVM f;
    CSB__AUTOERROR csb_error *e = NULL;

    fake_vm_make(&f, answers, 2);
    fake_vm_run(&f);
    ck_assert_int_eq(csb_vm_start(&f.vm, &e), CSB_EPROTOCOL);
    test_check_error(e, CSB_EPROTOCOL, "/secret");
    ck_assert_ptr_nonnull(strstr(fake_calls, "stop"));
    ck_assert_uint_eq(fake_stop_flags, CSB__STOP_FORCE | CSB__STOP_UNDO);
    ck_assert_int_eq(csb_vm_state(&f.vm), CSB_VM_STOPPED);
}
END_TEST

START_TEST(a_cancelled_start_is_stopped_all_the_same) {
    static const struct test_answer answers[] = {{.rc = CSB_ECANCELED}};
    AUTOVM f;

    fake_vm_make(&f, answers, 1);
    ck_assert_int_eq(csb_vm_start(&f.vm, NULL), CSB_ECANCELED);
    ck_assert_ptr_nonnull(strstr(fake_calls, "stop"));
}
END_TEST

START_TEST(half_made_ones_do_not_start) {
    AUTOVM f;
    CSB__AUTOERROR csb_error *e = NULL;

    fake_vm_make(&f, NULL, 0);
    f.vm.record.complete = false;
    ck_assert_int_eq(csb__store_save(&f.ctx.env, &f.vm.record, NULL), 0);
    ck_assert_int_eq(csb_vm_start(&f.vm, &e), CSB_ESTATE);
    test_check_error(e, CSB_ESTATE, "interrupted");
    ck_assert_str_eq(csb_error_hint(e), "claude-sandbox delete web");
    ck_assert_str_eq(fake_calls, "");
    ck_assert_str_eq(csb_vm_state_name(&f.vm), "broken");
}
END_TEST

START_TEST(a_directory_that_is_another_now) {
    AUTOVM f;
    CSB__AUTOERROR csb_error *gone = NULL;
    CSB__AUTOERROR csb_error *link = NULL;

    fake_vm_make(&f, NULL, 0);
    ck_assert_int_eq(rmdir(f.host), 0);
    ck_assert_int_eq(csb_vm_start(&f.vm, &gone), CSB_ESTATE);
    test_check_error(gone, CSB_ESTATE, f.host);
    ck_assert_int_eq(symlink(f.ctx.env.state_dir, f.host), 0);
    ck_assert_int_eq(csb_vm_start(&f.vm, &link), CSB_ESTATE);
    test_check_error(link, CSB_ESTATE, f.ctx.env.state_dir);
    ck_assert_ptr_null(strstr(fake_calls, "start"));
}
END_TEST

START_TEST(deleted_behind_our_back) {
    AUTOVM f;

    fake_vm_make(&f, NULL, 0);
    ck_assert_int_eq(csb__store_remove(&f.ctx.env, "web", NULL), 0);
    ck_assert_int_eq(csb_vm_start(&f.vm, NULL), CSB_ENOTFOUND);
    ck_assert_int_eq(csb_vm_stop(&f.vm, 0, NULL), CSB_ENOTFOUND);
    ck_assert_int_eq(csb_vm_delete(&f.vm, 0, NULL), CSB_ENOTFOUND);
    ck_assert_str_eq(fake_calls, "");
    ck_assert_str_eq(csb_vm_name(&f.vm), "web");
}
END_TEST

START_TEST(one_at_a_time) {
    AUTOVM f;
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOCLOSE int fd = -1;

    fake_vm_make(&f, NULL, 0);
    ck_assert_int_eq(csb__lock(&f.ctx.env, "web", "x", &fd, NULL), 0);
    f.ctx.env.timeout_ms = 50;
    ck_assert_int_eq(csb_vm_start(&f.vm, &e), CSB_EBUSY);
    ck_assert_int_eq(csb_vm_stop(&f.vm, 0, NULL), CSB_EBUSY);
    ck_assert_int_eq(csb_vm_delete(&f.vm, CSB_DELETE_FORCE, NULL), CSB_EBUSY);
    ck_assert_str_eq(fake_calls, "");
    ck_assert(has_record(&f));
}
END_TEST

START_TEST(stopping) {
    AUTOVM f;
    CSB__AUTOERROR csb_error *e = NULL;

    fake_vm_make(&f, NULL, 0);
    fake_vm_run(&f);
    ck_assert_int_eq(csb_vm_stop(&f.vm, 4, NULL), CSB_EINVAL);
    ck_assert_int_eq(csb_vm_stop(&f.vm, CSB_STOP_FORCE | CSB_STOP_SUSPEND, NULL), CSB_EINVAL);
    /* An engine that can't says so, rather than stop it. */
    ck_assert_int_eq(csb_vm_stop(&f.vm, CSB_STOP_SUSPEND, NULL), CSB_ENOTSUP);
    fake_stop_rc = CSB_EENGINE;
    ck_assert_int_eq(csb_vm_stop(&f.vm, 0, &e), CSB_EENGINE);
    ck_assert_str_eq(csb_error_message(e), "stopping web: stop went wrong");
    ck_assert_uint_eq(fake_stop_flags, 0);
    fake_stop_rc = 0;
    ck_assert_int_eq(csb_vm_stop(&f.vm, CSB_STOP_FORCE, NULL), 0);
    ck_assert_uint_eq(fake_stop_flags, CSB__STOP_FORCE);
    ck_assert_int_eq(csb_vm_state(&f.vm), CSB_VM_STOPPED);
    ck_assert_int_eq(csb_vm_stop(&f.vm, 0, NULL), 0);
}
END_TEST

START_TEST(deleting) {
    AUTOVM f;
    CSB__AUTOERROR csb_error *running = NULL;
    CSB__AUTOERROR csb_error *failed = NULL;

    fake_vm_make(&f, NULL, 0);
    fake_vm_run(&f);
    ck_assert_int_eq(csb_vm_delete(&f.vm, 2, NULL), CSB_EINVAL);
    ck_assert_int_eq(csb_vm_delete(&f.vm, 0, &running), CSB_ESTATE);
    test_check_error(running, CSB_ESTATE, "web is running");
    ck_assert_ptr_null(strstr(fake_calls, "remove"));
    /* What could not be removed is still ours to know. */
    fake_remove_rc = CSB_EENGINE;
    ck_assert_int_eq(csb_vm_delete(&f.vm, CSB_DELETE_FORCE, &failed), CSB_EENGINE);
    ck_assert_str_eq(csb_error_message(failed), "deleting web: remove went wrong");
    ck_assert(has_record(&f));
    fake_remove_rc = 0;
    ck_assert_int_eq(csb_vm_delete(&f.vm, CSB_DELETE_FORCE, NULL), 0);
    ck_assert(!has_record(&f));
    ck_assert_str_eq(csb_vm_name(&f.vm), "web");
}
END_TEST

START_TEST(deleting_what_is_beyond_help) {
    static const int codes[] = {CSB_ENOTFOUND, CSB_EENGINE, CSB_ENOENGINE, CSB_EPROTOCOL};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        AUTOVM f;

        fake_vm_make(&f, NULL, 0);
        fake_inspect_rc = codes[i];
        ck_assert_int_eq(csb_vm_delete(&f.vm, CSB_DELETE_FORCE, NULL), 0);
        ck_assert(!has_record(&f));
    }
}
END_TEST

START_TEST(one_that_can_not_be_asked_may_run) {
    AUTOVM f;
    CSB__AUTOERROR csb_error *e = NULL;

    fake_vm_make(&f, NULL, 0);
    fake_inspect_rc = CSB_EENGINE;
    ck_assert_int_eq(csb_vm_delete(&f.vm, 0, &e), CSB_EENGINE);
    test_check_error(e, CSB_EENGINE, "deleting web: inspect went wrong");
    ck_assert_str_eq(csb_error_hint(e), "claude-sandbox delete web");
    ck_assert_ptr_null(strstr(fake_calls, "remove"));
    ck_assert(has_record(&f));
    /* One that its engine does not know does not. */
    fake_inspect_rc = CSB_ENOTFOUND;
    ck_assert_int_eq(csb_vm_delete(&f.vm, 0, NULL), 0);
    ck_assert(!has_record(&f));
}
END_TEST

START_TEST(only_a_running_one_can_be_entered) {
    AUTOVM f;
    CSB__AUTOERROR csb_error *e = NULL;

    fake_vm_make(&f, NULL, 0);
    ck_assert_int_eq(csb__vm_require_running(&f.vm, &e), CSB_ESTATE);
    ck_assert_str_eq(csb_error_message(e), "web is stopped");
    ck_assert_str_ne(csb_error_hint(e), "");
    fake_vm_run(&f);
    ck_assert_int_eq(csb__vm_require_running(&f.vm, NULL), 0);
}
END_TEST

static void put_record(struct csb__env *env, const char *name, const char *dir, bool complete) {
    CSB__AUTORECORD r = {.engine = strdup("none-such"),
                         .engine_home = strdup(""),
                         .complete = complete,
                         .spec = {.name = strdup(name), .project_dir = strdup(dir)}};

    ck_assert_int_eq(csb__store_save(env, &r, NULL), 0);
}

START_TEST(opening_finds_the_projects_own) {
    csb_ctx ctx = {0};
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *link = test_join(dir, "link");
    CSB__AUTOFREE char *gone = test_join(dir, "gone");
    CSB__AUTOERROR csb_error *e = NULL;
    csb_vm *vm = NULL;

    test_env(&ctx.env);
    ck_assert_int_eq(symlink(dir, link), 0);
    put_record(&ctx.env, "half", dir, false);
    ck_assert_int_eq(csb_vm_for_project(&ctx, dir, &vm, NULL), CSB_ENOTFOUND);
    put_record(&ctx.env, "whole", dir, true);
    put_record(&ctx.env, "moved", gone, true);
    ck_assert_int_eq(csb_vm_for_project(&ctx, link, &vm, NULL), 0);
    ck_assert_str_eq(csb_vm_name(vm), "whole");
    ck_assert_str_eq(csb_vm_state_name(vm), "broken");
    ck_assert_str_eq(csb_vm_state_reason(vm), "its engine is not part of this build");
    csb_vm_free(vm);
    /* A directory that is gone is looked up by what was written down. */
    ck_assert_int_eq(csb_vm_for_project(&ctx, gone, &vm, NULL), 0);
    ck_assert_str_eq(csb_vm_name(vm), "moved");
    ck_assert_int_eq(csb_vm_start(vm, NULL), CSB_ESTATE);
    ck_assert_int_eq(csb_vm_stop(vm, 0, NULL), CSB_ENOTSUP);
    ck_assert_int_eq(csb_vm_delete(vm, 0, NULL), CSB_ENOTSUP);
    csb_vm_free(vm);
    ck_assert_int_eq(csb_vm_open(&ctx, "half", &vm, NULL), 0);
    csb_vm_free(vm);
    ck_assert_int_eq(csb_vm_open(&ctx, "../half", &vm, &e), CSB_EINVAL);
    ck_assert_int_eq(csb_vm_open(&ctx, "other", &vm, NULL), CSB_ENOTFOUND);
    csb__env_finish(&ctx.env);
}
END_TEST

START_TEST(lists_hold_all_of_ours) {
    csb_ctx ctx = {0};
    csb_vm_list *list = NULL;

    test_env(&ctx.env);
    ck_assert_int_eq(csb_vm_list_new(&ctx, &list, NULL), 0);
    ck_assert_uint_eq(csb_vm_list_count(list), 0);
    ck_assert_ptr_null(csb_vm_list_get(list, 0));
    csb_vm_list_free(list);
    put_record(&ctx.env, "b", "/b", true);
    put_record(&ctx.env, "a", "/a", false);
    ck_assert_int_eq(csb_vm_list_new(&ctx, &list, NULL), 0);
    ck_assert_uint_eq(csb_vm_list_count(list), 2);
    ck_assert_str_eq(csb_vm_name(csb_vm_list_get(list, 0)), "a");
    ck_assert_str_eq(csb_vm_name(csb_vm_list_get(list, 1)), "b");
    ck_assert_int_eq(csb_vm_state(csb_vm_list_get(list, 1)), CSB_VM_BROKEN);
    ck_assert_ptr_null(csb_vm_list_get(list, 2));
    csb_vm_list_free(list);
    csb__env_finish(&ctx.env);
}
END_TEST

Suite *vm_suite(void);
Suite *vm_suite(void) {
    Suite *s = suite_create("vm");
    TCase *tc = test_case(s, "vm");

    tcase_add_test(tc, getters_tell_what_is_known);
    tcase_add_test(tc, names_stay_where_they_are);
    tcase_add_loop_test(tc, starting_readies_the_guest, 0, 3);
    tcase_add_test(tc, a_failed_start_is_stopped_and_shows_the_console);
    tcase_add_test(tc, somebody_may_be_in_a_running_one);
    tcase_add_test(tc, one_that_sees_too_much_is_stopped);
    tcase_add_test(tc, a_cancelled_start_is_stopped_all_the_same);
    tcase_add_test(tc, half_made_ones_do_not_start);
    tcase_add_test(tc, a_directory_that_is_another_now);
    tcase_add_test(tc, deleted_behind_our_back);
    tcase_add_test(tc, one_at_a_time);
    tcase_add_test(tc, stopping);
    tcase_add_test(tc, deleting);
    tcase_add_test(tc, deleting_what_is_beyond_help);
    tcase_add_test(tc, one_that_can_not_be_asked_may_run);
    tcase_add_test(tc, only_a_running_one_can_be_entered);
    tcase_add_test(tc, opening_finds_the_projects_own);
    tcase_add_test(tc, lists_hold_all_of_ours);
    return s;
}
