/* SPDX-License-Identifier: MIT */
#include "vm_options.h"

#include <string.h>
#include <sys/stat.h>

#include "core/path.h"
#include "support.h"

/* A home with a project and a state directory in it, known by $HOME. */
struct place {
    struct csb__env env;
    char *home;
    char *project;
    char *saved_home;
};

static void place_make(struct place *p) {
    test_env(&p->env);
    p->home = test_dir();
    p->project = test_join(p->home, "project");
    p->saved_home = getenv("HOME") ? strdup(getenv("HOME")) : NULL;
    free(p->env.state_dir);
    p->env.state_dir = test_join(p->home, ".claude-sandbox");
    ck_assert(mkdir(p->project, 0700) == 0 && mkdir(p->env.state_dir, 0700) == 0);
    setenv("HOME", p->home, 1);
}

static void place_finish(struct place *p) {
    if (p->saved_home) {
        setenv("HOME", p->saved_home, 1);
    }
    free(p->home);
    free(p->project);
    free(p->saved_home);
    csb__env_finish(&p->env);
}

#define AUTOPLACE CSB__CLEANUP(place_finish) struct place
#define AUTOSPEC CSB__CLEANUP(csb__spec_finish) struct csb__spec

START_TEST(paths_become_real) {
    AUTOPLACE p;
    AUTOSPEC spec = {0};
    csb_vm_options o = CSB_VM_OPTIONS_INIT;
    CSB__AUTOFREE char *link = NULL;
    CSB__AUTOFREE char *roundabout = NULL;

    place_make(&p);
    link = test_join(p.home, "link");
    roundabout = test_join(p.home, "./link/../link/.");
    ck_assert_int_eq(symlink("project", link), 0);
    o.project_dir = roundabout;
    o.cpus = 2;
    o.memory_bytes = UINT64_C(1) << 30;
    ck_assert_int_eq(csb__vm_options_resolve(&p.env, &o, &spec, NULL), 0);
    ck_assert_str_eq(spec.project_dir, p.project);
    ck_assert_uint_eq(spec.n_mounts, 1);
    ck_assert_str_eq(spec.mounts[0].host_path, p.project);
    ck_assert_str_eq(spec.mounts[0].guest_path, p.project);
    ck_assert(spec.mounts[0].writable);
    ck_assert_ptr_null(spec.name);
    ck_assert_ptr_null(spec.settings_dir);
    ck_assert_int_eq(spec.cpus, 2);
    ck_assert_uint_eq(spec.memory, UINT64_C(1) << 30);
    ck_assert_uint_eq(spec.disk, 0);
}
END_TEST

static void refused(struct place *p, const csb_vm_options *o, const char *why) {
    AUTOSPEC spec = {0};
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_msg(csb__vm_options_resolve(&p->env, o, &spec, &e) == CSB_EINVAL, "not refused: %s",
                  why);
    test_check_error(e, CSB_EINVAL, why);
}

START_TEST(what_is_refused) {
    AUTOPLACE p;
    csb_vm_options o = CSB_VM_OPTIONS_INIT;
    CSB__AUTOFREE char *file = NULL;
    CSB__AUTOFREE char *none = NULL;

    place_make(&p);
    file = test_join(p.home, "file");
    none = test_join(p.home, "none");
    test_write(file, "", 0600);
    refused(&p, NULL, "a name or a project directory");
    refused(&p, &o, "a name or a project directory");
    o.project_dir = none;
    refused(&p, &o, "there is no directory");
    o.project_dir = file;
    refused(&p, &o, "is not a directory");
    o.project_dir = "";
    refused(&p, &o, "there is no directory");
    o.project_dir = "/";
    refused(&p, &o, "whole host");
    o.project_dir = p.home;
    refused(&p, &o, "home directory");
    o.project_dir = p.env.state_dir;
    refused(&p, &o, "belongs to claude-sandbox");
    o.project_dir = p.project;
    o.name = "../x";
    refused(&p, &o, "is not a name");
    o.name = "";
    refused(&p, &o, "is not a name");
    o.name = NULL;
    o.flags = 2;
    refused(&p, &o, "unknown flags");
    o.flags = 0;
    o.cpus = 1000;
    refused(&p, &o, "processors");
    o.cpus = 0;
    o.memory_bytes = 1;
    refused(&p, &o, "memory");
    o.memory_bytes = 0;
    o.size = 0;
    refused(&p, &o, "INIT");
}
END_TEST

START_TEST(home_can_be_forced) {
    AUTOPLACE p;
    AUTOSPEC spec = {0};
    csb_vm_options o = CSB_VM_OPTIONS_INIT;

    place_make(&p);
    o.project_dir = p.home;
    o.flags = CSB_VM_FORCE_MOUNT;
    ck_assert_int_eq(csb__vm_options_resolve(&p.env, &o, &spec, NULL), 0);
    ck_assert_str_eq(spec.project_dir, p.home);
}
END_TEST

START_TEST(the_default_settings_directory_is_made) {
    AUTOPLACE p;
    AUTOSPEC spec = {0};
    csb_vm_options o = CSB_VM_OPTIONS_INIT;
    CSB__AUTOFREE char *settings = NULL;
    CSB__AUTOFREE char *sibling = NULL;

    place_make(&p);
    settings = test_join(p.env.state_dir, ".claude");
    sibling = test_join(p.env.state_dir, ".claude2");
    o.project_dir = p.project;
    o.settings_dir = settings;
    ck_assert_int_eq(csb__vm_options_resolve(&p.env, &o, &spec, NULL), 0);
    ck_assert(test_exists(settings));
    ck_assert_str_eq(spec.settings_dir, settings);
    ck_assert_uint_eq(spec.n_mounts, 2);
    ck_assert_str_eq(spec.mounts[1].host_path, settings);
    ck_assert_str_eq(spec.mounts[1].guest_path, CSB__SETTINGS_GUEST_PATH);
    /* It alone: what lies beside it are our own files. */
    o.settings_dir = sibling;
    refused(&p, &o, "belongs to claude-sandbox");
    ck_assert(!test_exists(sibling));
}
END_TEST

START_TEST(settings_are_no_way_around) {
    AUTOPLACE p;
    csb_vm_options o = CSB_VM_OPTIONS_INIT;
    CSB__AUTOFREE char *into_state = NULL;
    CSB__AUTOFREE char *new_in_state = NULL;
    CSB__AUTOFREE char *vms = NULL;

    place_make(&p);
    o.project_dir = p.project;
    o.settings_dir = p.home;
    refused(&p, &o, "home directory");
    o.settings_dir = "/";
    refused(&p, &o, "whole host");
    o.settings_dir = p.env.state_dir;
    refused(&p, &o, "belongs to claude-sandbox");
    /* Through a link, to what is there and to what is yet to be made. */
    vms = test_join(p.env.state_dir, "vms");
    ck_assert_int_eq(mkdir(vms, 0700), 0);
    into_state = test_join(p.home, "link");
    ck_assert_int_eq(symlink(p.env.state_dir, into_state), 0);
    o.settings_dir = into_state;
    refused(&p, &o, "belongs to claude-sandbox");
    new_in_state = test_join(into_state, "new");
    o.settings_dir = new_in_state;
    refused(&p, &o, "belongs to claude-sandbox");
    /* An empty path is nobody's directory. */
    o.settings_dir = "";
    {
        AUTOSPEC spec = {0};

        ck_assert_int_ne(csb__vm_options_resolve(&p.env, &o, &spec, NULL), 0);
    }
}
END_TEST

START_TEST(a_home_behind_a_link_is_home) {
    AUTOPLACE p;
    csb_vm_options o = CSB_VM_OPTIONS_INIT;
    CSB__AUTOFREE char *link = NULL;

    place_make(&p);
    link = test_join(p.env.state_dir, "home");
    ck_assert_int_eq(symlink(p.home, link), 0);
    setenv("HOME", link, 1);
    o.project_dir = p.home;
    refused(&p, &o, "home directory");
    o.project_dir = p.project;
    o.settings_dir = p.home;
    refused(&p, &o, "home directory");
}
END_TEST

START_TEST(further_mounts) {
    AUTOPLACE p;
    AUTOSPEC spec = {0};
    csb_vm_options o = CSB_VM_OPTIONS_INIT;
    csb_mount mounts[2] = {{NULL, NULL, 0}, {NULL, "/work/data", 1}};
    CSB__AUTOFREE char *a = NULL;
    CSB__AUTOFREE char *b = NULL;

    place_make(&p);
    a = test_join(p.home, "a");
    b = test_join(p.home, "b");
    ck_assert(mkdir(a, 0700) == 0 && mkdir(b, 0700) == 0);
    mounts[0].host_path = a;
    mounts[1].host_path = b;
    o.name = "x";
    o.mounts = mounts;
    o.n_mounts = 2;
    ck_assert_int_eq(csb__vm_options_resolve(&p.env, &o, &spec, NULL), 0);
    ck_assert_str_eq(spec.name, "x");
    ck_assert_ptr_null(spec.project_dir);
    ck_assert_uint_eq(spec.n_mounts, 2);
    ck_assert_str_eq(spec.mounts[0].guest_path, a);
    ck_assert(!spec.mounts[0].writable);
    ck_assert_str_eq(spec.mounts[1].guest_path, "/work/data");
    ck_assert(spec.mounts[1].writable);
    mounts[1].guest_path = "/etc";
    refused(&p, &o, "nothing can be mounted at /etc");
    mounts[1].guest_path = a;
    refused(&p, &o, "two mounts at");
    mounts[1].guest_path = NULL;
    mounts[1].host_path = p.home;
    o.flags = CSB_VM_FORCE_MOUNT; /* speaks of the project only */
    refused(&p, &o, "home directory");
}
END_TEST

static int resolve_as_nobody(void *arg) {
    struct place *p = arg;
    csb_vm_options o = CSB_VM_OPTIONS_INIT;
    struct csb__spec spec = {0};
    csb_error *e = NULL;

    /* access(2) asks for the real user. */
    if (geteuid() == 0 && setreuid(65534, 65534) != 0) {
        return 0;
    }
    o.project_dir = p->project;
    return csb__vm_options_resolve(&p->env, &o, &spec, &e) == CSB_EINVAL &&
                   strstr(csb_error_message(e), "can't be written by you") &&
                   strstr(csb_error_hint(e), "a copy of your own")
               ? 0
               : 1;
}

START_TEST(a_project_that_cannot_be_written) {
    AUTOPLACE p;
    CSB__AUTOFREE char *root = NULL;

    place_make(&p);
    root = strdup(p.home);
    *strrchr(root, '/') = '\0';
    ck_assert(chmod(root, 0711) == 0 && chmod(p.home, 0755) == 0 && chmod(p.project, 0555) == 0);
    ck_assert_int_eq(test_join_child(test_fork(resolve_as_nobody, &p)), 0);
    ck_assert_int_eq(chmod(p.project, 0755), 0);
}
END_TEST

Suite *vm_options_suite(void);
Suite *vm_options_suite(void) {
    Suite *s = suite_create("vm_options");
    TCase *tc = test_case(s, "vm_options");

    tcase_add_test(tc, paths_become_real);
    tcase_add_test(tc, what_is_refused);
    tcase_add_test(tc, home_can_be_forced);
    tcase_add_test(tc, the_default_settings_directory_is_made);
    tcase_add_test(tc, settings_are_no_way_around);
    tcase_add_test(tc, a_home_behind_a_link_is_home);
    tcase_add_test(tc, further_mounts);
    tcase_add_test(tc, a_project_that_cannot_be_written);
    return s;
}
