/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "fake_vm.h"
#include "store.h"

static const struct test_answer ready[] = {{.status = 0}, {.out = FAKE_MOUNTINFO}};

/* Past the questions about the host's git identity. */
static const struct test_answer booted[] = {
    {.status = 0}, {.status = 1}, {.status = 1}, {.out = FAKE_MOUNTINFO}};

static void load(struct fake_vm *f, struct csb__record *ret) {
    ck_assert_int_eq(csb__store_load(&f->ctx.env, "web", ret, NULL), 0);
}

static csb_vm_options with_cpus(int n) {
    csb_vm_options o = CSB_VM_OPTIONS_INIT;

    o.cpus = n;
    return o;
}

START_TEST(the_next_start_makes_it_so) {
    AUTOVM f;
    CSB__AUTORECORD r = {0};
    csb_vm_options o = with_cpus(5);
    int later = -1;

    fake_vm_make(&f, booted, 4);
    o.memory_bytes = UINT64_C(4) << 30;
    ck_assert_int_eq(csb_vm_configure(&f.vm, &o, &later, NULL), 0);
    ck_assert_int_eq(later, 0);
    ck_assert_str_eq(fake_configured, "");
    ck_assert_int_eq(csb_vm_start(&f.vm, NULL), 0);
    ck_assert_str_eq(fake_configured, "5 4294967296 0 - ro");
    ck_assert_ptr_nonnull(strstr(fake_calls, "configure,start,"));
    load(&f, &r);
    ck_assert_int_eq(r.spec.cpus, 5);
    ck_assert(!csb__changes_any(&r.changes));
}
END_TEST

START_TEST(a_running_one_goes_on_as_it_is) {
    AUTOVM f;
    CSB__AUTORECORD r = {0};
    csb_vm_options o = with_cpus(5);
    int later = 0;

    fake_vm_make(&f, ready, 2);
    fake_vm_run(&f);
    ck_assert_int_eq(csb_vm_configure(&f.vm, &o, &later, NULL), 0);
    ck_assert_int_eq(later, 1);
    ck_assert_int_eq(csb_vm_start(&f.vm, NULL), 0);
    ck_assert_ptr_null(strstr(fake_calls, "configure"));
    ck_assert_int_eq(csb_vm_cpus(&f.vm), 2);
    load(&f, &r);
    ck_assert_int_eq(r.changes.cpus, 5);
}
END_TEST

START_TEST(what_is_so_already_is_no_change) {
    AUTOVM f;
    CSB__AUTORECORD r = {0};
    csb_vm_options five = with_cpus(5);
    csb_vm_options two = with_cpus(2);
    int later = -1;

    fake_vm_make(&f, NULL, 0);
    fake_vm_run(&f);
    ck_assert_int_eq(csb_vm_configure(&f.vm, &five, NULL, NULL), 0);
    ck_assert_int_eq(csb_vm_configure(&f.vm, &two, &later, NULL), 0);
    ck_assert_int_eq(later, 0);
    load(&f, &r);
    ck_assert(!csb__changes_any(&r.changes));
}
END_TEST

START_TEST(what_the_engine_refuses_is_forgotten) {
    AUTOVM f;
    CSB__AUTORECORD r = {0};
    CSB__AUTOERROR csb_error *e = NULL;
    csb_vm_options o = with_cpus(5);

    fake_vm_make(&f, NULL, 0);
    ck_assert_int_eq(csb_vm_configure(&f.vm, &o, NULL, NULL), 0);
    fake_configure_rc = CSB_EENGINE;
    ck_assert_int_eq(csb_vm_start(&f.vm, &e), CSB_EENGINE);
    test_check_error(e, CSB_EENGINE, "web stays as it was: configure went wrong");
    ck_assert_ptr_null(strstr(fake_calls, "start"));
    load(&f, &r);
    ck_assert(!csb__changes_any(&r.changes));
    ck_assert_int_eq(r.spec.cpus, 0);
}
END_TEST

START_TEST(a_cancelled_change_is_still_wanted) {
    AUTOVM f;
    CSB__AUTORECORD r = {0};
    csb_vm_options o = with_cpus(5);

    fake_vm_make(&f, NULL, 0);
    ck_assert_int_eq(csb_vm_configure(&f.vm, &o, NULL, NULL), 0);
    fake_configure_rc = CSB_ECANCELED;
    ck_assert_int_eq(csb_vm_start(&f.vm, NULL), CSB_ECANCELED);
    load(&f, &r);
    ck_assert_int_eq(r.changes.cpus, 5);
}
END_TEST

/* Killed between the record and the engine; then it is asked for once more, or for something else. */
START_TEST(a_change_that_was_interrupted_is_made) {
    AUTOVM f;
    CSB__AUTOFREE char *dir = test_dir();
    struct csb__record *r = &f.vm.record;
    csb_vm_options o = CSB_VM_OPTIONS_INIT;

    fake_vm_make(&f, booted, 4);
    r->changes.settings_dir = strdup(dir);
    r->changes.settings_mode = CSB_SETTINGS_RO;
    ck_assert_int_eq(csb__spec_change(&r->spec, &r->changes, NULL), 0);
    ck_assert_int_eq(csb__store_save(&f.ctx.env, r, NULL), 0);
    if (_i == 0) {
        o.settings_dir = dir;
        o.settings_mode = CSB_SETTINGS_RO;
    } else {
        o.cpus = 2; /* as it is */
    }
    ck_assert_int_eq(csb_vm_configure(&f.vm, &o, NULL, NULL), 0);
    ck_assert_str_eq(r->changes.settings_dir, dir);
    ck_assert_int_eq(r->changes.settings_mode, CSB_SETTINGS_RO);
    (void)csb_vm_start(&f.vm, NULL);
    ck_assert_ptr_nonnull(strstr(fake_calls, "configure,"));
    ck_assert(!csb__changes_any(&r->changes));
}
END_TEST

START_TEST(what_cant_be_is_refused_and_forgotten) {
    AUTOVM f;
    CSB__AUTORECORD r = {0};
    csb_vm_options name = CSB_VM_OPTIONS_INIT;
    csb_vm_options mode = CSB_VM_OPTIONS_INIT;
    csb_vm_options many = CSB_VM_OPTIONS_INIT;
    csb_vm_options few = with_cpus(-1);

    fake_vm_make(&f, NULL, 0);
    name.name = "other";
    mode.settings_mode = 3;
    ck_assert_int_eq(csb_vm_configure(&f.vm, &name, NULL, NULL), CSB_EINVAL);
    ck_assert_int_eq(csb_vm_configure(&f.vm, &mode, NULL, NULL), CSB_EINVAL);
    ck_assert_int_eq(csb_vm_configure(&f.vm, &few, NULL, NULL), CSB_EINVAL);
    many.memory_bytes = UINT64_C(1) << 50;
    ck_assert_int_eq(csb_vm_configure(&f.vm, &many, NULL, NULL), CSB_EINVAL);
    mode.settings_mode = CSB_SETTINGS_RO;
    ck_assert_int_eq(csb_vm_configure(&f.vm, &mode, NULL, NULL), CSB_EINVAL);
    load(&f, &r);
    ck_assert(!csb__changes_any(&r.changes));
}
END_TEST

Suite *vm_change_suite(void);
Suite *vm_change_suite(void) {
    Suite *s = suite_create("vm_change");
    TCase *tc = test_case(s, "vm_change");

    tcase_add_test(tc, the_next_start_makes_it_so);
    tcase_add_test(tc, a_running_one_goes_on_as_it_is);
    tcase_add_test(tc, what_is_so_already_is_no_change);
    tcase_add_test(tc, what_the_engine_refuses_is_forgotten);
    tcase_add_test(tc, a_cancelled_change_is_still_wanted);
    tcase_add_loop_test(tc, a_change_that_was_interrupted_is_made, 0, 2);
    tcase_add_test(tc, what_cant_be_is_refused_and_forgotten);
    return s;
}
