/* SPDX-License-Identifier: MIT */
/* What is made in which order, and what is undone when it goes wrong. */
#include <claudesandbox/vm.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "context.h"
#include "store.h"
#include "support.h"
#include "vm.h"

static char calls[256];
static int make_rc;
static int inspect_rc;
static int remove_rc;
static struct csb__env *cancelled; /* while it is made */
static char template_path[256];

static void note(const char *verb, const char *more) {
    size_t len = strlen(calls);

    ck_assert_int_lt(snprintf(calls + len, sizeof(calls) - len, "%s%s,", verb, more),
                     (int)(sizeof(calls) - len));
}

static int home(struct csb__env *env, char **ret, csb_error **err) {
    (void)env;
    (void)err;
    *ret = strdup("/engine/home");
    return 0;
}

static size_t name_max(struct csb__env *env) {
    (void)env;
    return 40;
}

/* A record that is not complete must be there before the machine is: a crash would leave nothing
 * to find it by. */
static void check_record(struct csb__env *env, const char *name) {
    CSB__AUTORECORD r = {0};

    ck_assert_int_eq(csb__store_load(env, name, &r, NULL), 0);
    ck_assert(!r.complete);
}

static int make(struct csb__env *env, const struct csb__spec *spec,
                const struct csb__source *source, csb_error **err) {
    note(source->base ? "clone " : "create", source->base ? source->base : "");
    snprintf(template_path, sizeof(template_path), "%s",
             source->template_path ? source->template_path : "");
    check_record(env, spec->name);
    if (cancelled) {
        int rc;

        csb__env_cancel(cancelled);
        rc = csb__env_check(env, "making", err);
        csb__env_cancel(cancelled); /* the impatient press twice */
        return rc;
    }
    return make_rc == 0 ? 0 : csb__fail(err, make_rc, "the moon is full");
}

static int remove_it(struct csb__env *env, const char *name, const char *home_dir,
                     csb_error **err) {
    (void)name;
    ck_assert_str_eq(home_dir, "/engine/home");
    note("remove", "");
    ck_assert_int_eq(csb__env_check(env, "removing", NULL), 0);
    return remove_rc == 0 ? 0 : csb__fail(err, remove_rc, "it sticks");
}

static int inspect(struct csb__env *env, const char *name, const char *home_dir,
                   struct csb__machine *ret, csb_error **err) {
    (void)env;
    (void)name;
    (void)home_dir;
    *ret = (struct csb__machine){.state = CSB_VM_STOPPED};
    note("inspect", "");
    return inspect_rc == 0 ? 0 : csb__fail(err, inspect_rc, "no such thing");
}

static const struct csb__engine fake = {.name = "fake",
                                        .home = home,
                                        .name_max = name_max,
                                        .create = make,
                                        .clone = make,
                                        .remove = remove_it,
                                        .inspect = inspect};
static const struct csb__engine picky = {.name = "picky",
                                         .needs_template = true,
                                         .home = home,
                                         .name_max = name_max,
                                         .create = make,
                                         .remove = remove_it,
                                         .inspect = inspect};

static csb_ctx ctx;
static char *root; /* of projects; not the home, not the state directory */

static void setup(void) {
    ctx = (csb_ctx){.engine = &fake};
    test_env(&ctx.env);
    free(ctx.env.guest_dir);
    ctx.env.guest_dir = test_dir();
    root = test_dir();
    calls[0] = '\0';
    make_rc = remove_rc = 0;
    inspect_rc = CSB_ENOTFOUND;
    cancelled = NULL;
}

static void teardown(void) {
    csb__env_finish(&ctx.env);
    free(root);
}

/* The project of that name, made if need be; its mode may be any. */
static const char *project(const char *name) {
    static char path[512];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    (void)mkdir(path, 0700);
    return path;
}

static int create(const char *dir, const char *name, csb_error **err) {
    csb_vm_options o = CSB_VM_OPTIONS_INIT;
    csb_vm *vm = NULL;
    int rc;

    o.project_dir = dir;
    o.name = name;
    calls[0] = '\0';
    rc = csb_vm_create(&ctx, NULL, &o, &vm, err);
    csb_vm_free(vm);
    return rc;
}

static size_t n_records(void) {
    struct csb__record *list;
    size_t n;

    ck_assert_int_eq(csb__store_list(&ctx.env, &list, &n, NULL), 0);
    csb__store_list_free(list, n);
    return n;
}

START_TEST(a_new_one_is_recorded) {
    csb_vm_options o = CSB_VM_OPTIONS_INIT;
    CSB__AUTORECORD r = {0};
    CSB__AUTOERROR csb_error *e = NULL;
    csb_vm *vm = NULL;

    o.project_dir = project("My App");
    o.cpus = 3;
    ck_assert_msg(csb_vm_create(&ctx, NULL, &o, &vm, &e) == 0, "%s", csb_error_message(e));
    ck_assert_int_eq(strncmp(csb_vm_name(vm), "claude-sandbox-my-app-", 22), 0);
    ck_assert_int_eq(csb__store_load(&ctx.env, csb_vm_name(vm), &r, NULL), 0);
    ck_assert(r.complete);
    ck_assert_str_eq(r.engine_home, "/engine/home");
    ck_assert_str_eq(r.spec.project_dir, o.project_dir);
    ck_assert_int_eq(r.spec.cpus, 3);
    csb_vm_free(vm);
}
END_TEST

START_TEST(a_copy_of_another) {
    csb_vm_options o = CSB_VM_OPTIONS_INIT;
    CSB__AUTOERROR csb_error *e = NULL;
    csb_vm *vm = NULL;

    o.project_dir = project("p");
    ck_assert_int_eq(csb_vm_clone(&ctx, "../x", &o, &vm, &e), CSB_EINVAL);
    ck_assert_int_eq(csb_vm_clone(&ctx, NULL, &o, &vm, NULL), CSB_EINVAL);
    ck_assert_str_eq(calls, "");
    ck_assert_int_eq(csb_vm_clone(&ctx, "tools-vm", &o, &vm, NULL), 0);
    ck_assert_str_eq(calls, "inspect,clone tools-vm,");
    csb_vm_free(vm);
}
END_TEST

START_TEST(a_failure_is_undone) {
    CSB__AUTOERROR csb_error *e = NULL;

    make_rc = CSB_EENGINE;
    ck_assert_int_eq(create(project("p"), "web", &e), CSB_EENGINE);
    ck_assert_str_eq(csb_error_message(e), "the moon is full");
    ck_assert_str_eq(calls, "inspect,create,remove,");
    ck_assert_uint_eq(n_records(), 0);
}
END_TEST

START_TEST(a_cancel_is_undone_in_peace) {
    cancelled = &ctx.env;
    ck_assert_int_eq(create(project("p"), "web", NULL), CSB_ECANCELED);
    ck_assert_str_eq(calls, "inspect,create,remove,");
    ck_assert_uint_eq(n_records(), 0);
}
END_TEST

START_TEST(what_can_not_be_undone_can_be_deleted_later) {
    CSB__AUTOERROR csb_error *e = NULL;

    make_rc = CSB_EENGINE;
    remove_rc = CSB_EENGINE;
    ck_assert_int_eq(create(project("p"), "web", &e), CSB_EENGINE);
    test_check_error(e, CSB_EENGINE, "web is half made and could not be removed (it sticks)");
    ck_assert_str_eq(csb_error_hint(e), "claude-sandbox delete web");
    ck_assert_uint_eq(n_records(), 1);
    /* Or made anew. */
    make_rc = 0;
    ck_assert_int_eq(create(project("p"), "web", NULL), 0);
}
END_TEST

START_TEST(a_foreign_one_is_left_alone) {
    CSB__AUTOERROR csb_error *e = NULL;

    inspect_rc = 0;
    ck_assert_int_eq(create(project("p"), "web", &e), CSB_EEXISTS);
    test_check_error(e, CSB_EEXISTS, "not ours");
    ck_assert_str_eq(calls, "inspect,");
    ck_assert_uint_eq(n_records(), 0);
}
END_TEST

START_TEST(not_to_know_is_not_to_be_free) {
    inspect_rc = CSB_EENGINE;
    ck_assert_int_eq(create(project("p"), "web", NULL), CSB_EENGINE);
    ck_assert_str_eq(calls, "inspect,");
    ck_assert_uint_eq(n_records(), 0);
}
END_TEST

START_TEST(a_lost_race_removes_nothing_of_others) {
    make_rc = CSB_EEXISTS;
    ck_assert_int_eq(create(project("p"), "web", NULL), CSB_EEXISTS);
    ck_assert_str_eq(calls, "inspect,create,");
    ck_assert_uint_eq(n_records(), 0);
}
END_TEST

START_TEST(a_project_has_one) {
    CSB__AUTOERROR csb_error *same = NULL;
    CSB__AUTOERROR csb_error *other = NULL;

    ck_assert_int_eq(create(project("p"), "one", NULL), 0);
    ck_assert_int_eq(create(project("p"), "one", &same), CSB_EEXISTS);
    test_check_error(same, CSB_EEXISTS, "there is a VM named one");
    ck_assert_str_eq(calls, "");
    ck_assert_int_eq(create(project("p"), "two", &other), CSB_EEXISTS);
    test_check_error(other, CSB_EEXISTS, "/p has the VM one");
    ck_assert_uint_eq(n_records(), 1);
}
END_TEST

START_TEST(nobody_lives_inside_another) {
    CSB__AUTOERROR csb_error *in = NULL;
    CSB__AUTOERROR csb_error *around = NULL;
    char hint[1024];

    (void)project("repo");
    (void)project("repo-2");
    ck_assert_int_eq(create(project("repo"), "outer", NULL), 0);
    ck_assert_int_eq(create(project("repo/sub"), "inner", &in), CSB_EINVAL);
    test_check_error(in, CSB_EINVAL, "/repo/sub lies in ");
    test_check_error(in, CSB_EINVAL, "/repo, which the VM outer can write");
    snprintf(hint, sizeof(hint),
             "claude-sandbox -d '%s/repo' to use that VM, or claude-sandbox delete outer", root);
    ck_assert_str_eq(csb_error_hint(in), hint);
    ck_assert_str_eq(calls, "inspect,");
    /* A name that begins alike is another place. */
    ck_assert_int_eq(create(project("repo-2"), "beside", NULL), 0);
    ck_assert_int_eq(create(root, "around", &around), CSB_EINVAL);
    test_check_error(around, CSB_EINVAL, "which is shared with the VM ");
    ck_assert_uint_eq(n_records(), 2);
}
END_TEST

START_TEST(what_only_one_can_read_is_no_danger) {
    CSB__AUTOFREE char *sub = strdup(project("sub"));
    csb_vm_options o = CSB_VM_OPTIONS_INIT;
    const csb_mount shared = {root, "/shared", 0};
    csb_vm *vm = NULL;

    o.name = "reader";
    o.mounts = &shared;
    o.n_mounts = 1;
    ck_assert_int_eq(csb_vm_create(&ctx, NULL, &o, &vm, NULL), 0);
    csb_vm_free(vm);
    ck_assert_int_eq(create(sub, "writer", NULL), 0);
}
END_TEST

START_TEST(all_of_home_is_all_the_same) {
    csb_vm_options o = CSB_VM_OPTIONS_INIT;
    csb_vm *vm = NULL;

    setenv("HOME", root, 1);
    ck_assert_int_eq(create(project("p"), "one", NULL), 0);
    o.project_dir = root;
    o.flags = CSB_VM_FORCE_MOUNT;
    ck_assert_int_eq(csb_vm_create(&ctx, NULL, &o, &vm, NULL), 0);
    csb_vm_free(vm);
    ck_assert_int_eq(create(project("q"), "two", NULL), 0);
}
END_TEST

START_TEST(settings_are_shared_by_many) {
    CSB__AUTOFREE char *settings = test_join(ctx.env.state_dir, ".claude");

    for (int i = 0; i < 2; i++) {
        csb_vm_options o = CSB_VM_OPTIONS_INIT;
        csb_vm *vm = NULL;

        o.project_dir = project(i == 0 ? "a" : "b");
        o.settings_dir = settings;
        ck_assert_int_eq(csb_vm_create(&ctx, NULL, &o, &vm, NULL), 0);
        csb_vm_free(vm);
    }
}
END_TEST

START_TEST(names_have_an_end) {
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_int_eq(create(project("p"), "a23456789-123456789-123456789-123456789-1", &e),
                     CSB_EINVAL);
    test_check_error(e, CSB_EINVAL, "longer than 40 characters");
    ck_assert_int_eq(create(project("p"), "a23456789-123456789-123456789-123456789", NULL), 0);
}
END_TEST

START_TEST(ports_are_looked_at_first) {
    struct sockaddr_in addr = {.sin_family = AF_INET};
    CSB__AUTOCLOSE int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof(addr);
    csb_vm_options o = CSB_VM_OPTIONS_INIT;
    csb_port port = {0, 80};
    csb_vm *vm = NULL;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    port.host = ntohs(addr.sin_port);
    o.project_dir = project("p");
    o.ports = &port;
    o.n_ports = 1;
    ck_assert_int_eq(csb_vm_create(&ctx, NULL, &o, &vm, NULL), CSB_EBUSY);
    ck_assert_str_eq(calls, "");
    ck_assert_uint_eq(n_records(), 0);
}
END_TEST

START_TEST(what_it_is_made_from) {
    CSB__AUTOFREE char *own = test_join(ctx.env.guest_dir, "tools-vm.yaml");
    CSB__AUTOFREE char *bad = test_join(ctx.env.guest_dir, "bad.yaml");
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOERROR csb_error *none = NULL;
    csb_vm_options o = CSB_VM_OPTIONS_INIT;
    csb_vm *vm = NULL;

    o.project_dir = project("p");
    ctx.engine = &picky;
    ck_assert_int_eq(csb_vm_create(&ctx, NULL, &o, &vm, &none), CSB_EINVAL);
    test_check_error(none, CSB_EINVAL, "there is no template");
    test_write(bad, "cpus: [\n", 0600);
    ck_assert_int_eq(csb_vm_create(&ctx, bad, &o, &vm, &e), CSB_EINVAL);
    test_check_error(e, CSB_EINVAL, "bad.yaml:2:");
    ck_assert_str_eq(calls, "");
    test_write(own, "cpus: 2\n", 0600);
    ck_assert_int_eq(csb_vm_create(&ctx, NULL, &o, &vm, NULL), 0);
    ck_assert_str_eq(template_path, own);
    csb_vm_free(vm);
}
END_TEST

Suite *vm_make_suite(void);
Suite *vm_make_suite(void) {
    Suite *s = suite_create("vm_make");
    TCase *tc = test_case(s, "vm_make");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_new_one_is_recorded);
    tcase_add_test(tc, a_copy_of_another);
    tcase_add_test(tc, a_failure_is_undone);
    tcase_add_test(tc, a_cancel_is_undone_in_peace);
    tcase_add_test(tc, what_can_not_be_undone_can_be_deleted_later);
    tcase_add_test(tc, a_foreign_one_is_left_alone);
    tcase_add_test(tc, not_to_know_is_not_to_be_free);
    tcase_add_test(tc, a_lost_race_removes_nothing_of_others);
    tcase_add_test(tc, a_project_has_one);
    tcase_add_test(tc, nobody_lives_inside_another);
    tcase_add_test(tc, what_only_one_can_read_is_no_danger);
    tcase_add_test(tc, all_of_home_is_all_the_same);
    tcase_add_test(tc, settings_are_shared_by_many);
    tcase_add_test(tc, names_have_an_end);
    tcase_add_test(tc, ports_are_looked_at_first);
    tcase_add_test(tc, what_it_is_made_from);
    return s;
}
