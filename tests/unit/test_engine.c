/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"

#include <string.h>

#include "support.h"

START_TEST(engines_by_name) {
    ck_assert_ptr_eq(csb__engine_by_name("lima"), &csb__engine_lima);
    ck_assert_str_eq(csb__engine_lima.name, "lima");
#ifdef __linux__
    ck_assert_ptr_eq(csb__engine_by_name("qemu"), &csb__engine_qemu);
    ck_assert_str_eq(csb__engine_qemu.name, "qemu");
#endif
    ck_assert_ptr_null(csb__engine_by_name(""));
    ck_assert_ptr_null(csb__engine_by_name("Lima"));
    ck_assert_ptr_null(csb__engine_by_name("lima "));
}
END_TEST

START_TEST(every_verb_is_there) {
    const struct csb__engine *const engines[] = {
        &csb__engine_lima,
#ifdef __linux__
        &csb__engine_qemu,
#endif
    };

    for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
        const struct csb__engine *e = engines[i];

        ck_assert(e->probe && e->home && e->name_max && e->create && e->clone && e->start &&
                  e->stop && e->remove && e->inspect && e->inspect_all && e->console);
    }
}
END_TEST

/* PATH is all that a probe goes by; it is put back. */
struct world {
    struct csb__env env;
    char *saved_path;
};

static void world_make(struct world *w, bool with_qemu) {
    static const char *const programs[] = {"qemu-system-x86_64", "qemu-system-aarch64", "qemu-img",
                                           "ssh", "ssh-keygen"};

    test_env(&w->env);
    w->saved_path = getenv("PATH") ? strdup(getenv("PATH")) : NULL;
    for (size_t i = 0; with_qemu && i < sizeof(programs) / sizeof(programs[0]); i++) {
        CSB__AUTOFREE char *path = test_join(w->env.state_dir, programs[i]);

        test_write(path, "#!/bin/sh\nexit 1\n", 0755);
    }
    setenv("PATH", w->env.state_dir, 1);
}

static void world_finish(struct world *w) {
    if (w->saved_path) {
        setenv("PATH", w->saved_path, 1);
    }
    free(w->saved_path);
    csb__env_finish(&w->env);
}

#define AUTOWORLD CSB__CLEANUP(world_finish) struct world

START_TEST(an_engine_of_another_name) {
    AUTOWORLD w;
    const struct csb__engine *engine = NULL;
    CSB__AUTOFREE char *why = NULL;
    CSB__AUTOERROR csb_error *e = NULL;

    world_make(&w, false);
    ck_assert_int_eq(csb__engine_choose(&w.env, "xen", &engine, &why, &e), CSB_EINVAL);
    ck_assert_str_eq(csb_error_message(e), "there is no engine \"xen\", only lima and qemu");
    ck_assert_ptr_null(engine);
}
END_TEST

START_TEST(no_engine_says_what_each_one_lacks) {
    AUTOWORLD w;
    const struct csb__engine *engine = NULL;
    CSB__AUTOFREE char *why = NULL;
    CSB__AUTOERROR csb_error *e = NULL;

    world_make(&w, false);
    ck_assert_int_eq(csb__engine_choose(&w.env, NULL, &engine, &why, &e), CSB_ENOENGINE);
    test_check_error(e, CSB_ENOENGINE, "no usable VM engine (lima: limactl is not installed");
    ck_assert_ptr_nonnull(strstr(csb_error_hint(e), "install Lima"));
#ifdef __linux__
    ck_assert_ptr_nonnull(strstr(csb_error_message(e), "; qemu: qemu-system-"));
    ck_assert_ptr_nonnull(strstr(csb_error_hint(e), "; or sudo apt-get install qemu-system"));
#endif
    ck_assert_ptr_null(engine);
    ck_assert_ptr_null(why);
}
END_TEST

START_TEST(the_one_asked_for_or_none) {
    AUTOWORLD w;
    const struct csb__engine *engine = NULL;
    CSB__AUTOFREE char *why = NULL;
    CSB__AUTOERROR csb_error *e = NULL;

    world_make(&w, true);
    ck_assert_int_eq(csb__engine_choose(&w.env, "lima", &engine, &why, &e), CSB_ENOENGINE);
    test_check_error(e, CSB_ENOENGINE, "engine lima: limactl is not installed");
    ck_assert_ptr_null(engine);
}
END_TEST

#ifdef __linux__
START_TEST(the_first_that_works) {
    AUTOWORLD w;
    const struct csb__engine *engine = NULL;
    CSB__AUTOFREE char *why = NULL;
    CSB__AUTOFREE char *asked = NULL;

    world_make(&w, true);
    ck_assert_int_eq(csb__engine_choose(&w.env, NULL, &engine, &why, NULL), 0);
    ck_assert_ptr_eq(engine, &csb__engine_qemu);
    ck_assert_int_eq(strncmp(why, "qemu: ", 6), 0);
    ck_assert_ptr_nonnull(strstr(why, "; not lima: limactl is not installed"));
    ck_assert_int_eq(csb__engine_choose(&w.env, "qemu", &engine, &asked, NULL), 0);
    ck_assert_int_eq(strncmp(asked, "qemu, as asked for: ", 20), 0);
}
END_TEST
#endif

START_TEST(a_cancel_is_no_lack) {
    AUTOWORLD w;
    const struct csb__engine *engine = NULL;
    CSB__AUTOFREE char *why = NULL;
    CSB__AUTOFREE char *limactl = NULL;

    world_make(&w, true);
    limactl = test_join(w.env.state_dir, "limactl");
    test_write(limactl, "#!/bin/sh\necho limactl version 2.2.0\n", 0755);
    csb__env_cancel(&w.env);
    ck_assert_int_eq(csb__engine_choose(&w.env, NULL, &engine, &why, NULL), CSB_ECANCELED);
    ck_assert_ptr_null(engine);
}
END_TEST

START_TEST(a_machine_is_emptied) {
    struct csb__machine m = {
        .state = 4, .reason = strdup("r"), .door = {strdup("c"), strdup("h"), strdup("p")}};

    csb__machine_finish(&m);
    ck_assert_int_eq(m.state, 0);
    ck_assert(!m.reason && !m.door.ssh_config && !m.door.ssh_host && !m.door.control_path);
    csb__machine_finish(&m);
}
END_TEST

Suite *engine_suite(void);
Suite *engine_suite(void) {
    Suite *s = suite_create("engine");
    TCase *tc = test_case(s, "engine");

    tcase_add_test(tc, engines_by_name);
    tcase_add_test(tc, every_verb_is_there);
    tcase_add_test(tc, an_engine_of_another_name);
    tcase_add_test(tc, no_engine_says_what_each_one_lacks);
    tcase_add_test(tc, the_one_asked_for_or_none);
#ifdef __linux__
    tcase_add_test(tc, the_first_that_works);
#endif
    tcase_add_test(tc, a_cancel_is_no_lack);
    tcase_add_test(tc, a_machine_is_emptied);
    return s;
}
