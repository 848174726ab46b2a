/* SPDX-License-Identifier: MIT */
#include "guest/setup.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "support.h"

#define MARK "--- mountinfo ---\n"
#define WEB "36 22 0:40 / /home/u/web rw,relatime - 9p share0 rw\n"

static char *elsewhere(const struct csb__spec *spec, size_t index) {
    (void)spec;
    return index == 1 ? strdup("/mnt/it's 1") : NULL;
}

static const struct csb__engine direct = {.name = "direct"};
static const struct csb__engine binding = {.name = "binding", .mount_point = elsewhere};

/* A guest that is a directory: a home, a settings directory, and a sudo that only notes. */
struct guest {
    char *dir;
    char *home;
    char *settings;
    char *log;
    char *variables[3];
};

static void guest_make(struct guest *g) {
    CSB__AUTOFREE char *bin = NULL;
    CSB__AUTOFREE char *sudo = NULL;

    g->dir = test_dir();
    g->home = test_join(g->dir, "home");
    g->settings = test_join(g->dir, "settings");
    g->log = test_join(g->dir, "log");
    bin = test_join(g->dir, "bin");
    sudo = test_join(bin, "sudo");
    ck_assert(mkdir(g->home, 0700) == 0 && mkdir(g->settings, 0700) == 0 && mkdir(bin, 0700) == 0);
    test_write(sudo,
               "#!/bin/sh\nfor a; do printf '<%s>' \"$a\" >>\"$LOG\"; done\n"
               "echo >>\"$LOG\"\ncat >/dev/null\n",
               0755);
    ck_assert_int_ge(asprintf(&g->variables[0], "PATH=%s:/usr/bin:/bin", bin), 0);
    ck_assert_int_ge(asprintf(&g->variables[1], "HOME=%s", g->home), 0);
    ck_assert_int_ge(asprintf(&g->variables[2], "LOG=%s", g->log), 0);
}

static void guest_finish(struct guest *g) {
    free(g->dir);
    free(g->home);
    free(g->settings);
    free(g->log);
    for (int i = 0; i < 3; i++) {
        free(g->variables[i]);
    }
}

/* Runs the script in it, with the settings' place in the guest put into our directory. */
static void guest_run(const struct guest *g, const char *script, struct csb__run_result *r) {
    TEST_AUTOENV env;
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    const char *const argv[] = {"/bin/sh", "-s", NULL};
    const char *const envp[] = {g->variables[0], g->variables[1], g->variables[2], NULL};
    struct csb__run run = CSB__RUN_INIT;
    const char *at;

    for (; (at = strstr(script, CSB__SETTINGS_GUEST_PATH));
         script = at + strlen(CSB__SETTINGS_GUEST_PATH)) {
        csb__strbuf_add(&text, script, (size_t)(at - script));
        csb__strbuf_puts(&text, g->settings);
    }
    csb__strbuf_puts(&text, script);
    test_env(&env);
    run.argv = argv;
    run.envp = envp;
    run.input = csb__strbuf_text(&text);
    run.input_len = text.len;
    ck_assert_int_eq(csb__run(&env, &run, r, NULL), 0);
    ck_assert_msg(r->status == 0, "%s", csb__strbuf_text(&r->errout));
}

START_TEST(a_virgin_home_is_readied_once) {
    CSB__CLEANUP(guest_finish) struct guest g;
    struct csb__spec spec = {0};
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTORESULT r = {0};
    CSB__AUTORESULT again = {0};
    CSB__AUTOFREE char *path = NULL;
    CSB__AUTOFREE char *text = NULL;
    CSB__AUTOFREE char *kept = NULL;
    json_t *json;

    guest_make(&g);
    path = test_join(g.home, ".claude.json");
    csb__setup_script(&script, &direct, &spec);
    guest_run(&g, csb__strbuf_text(&script), &r);
    text = test_read(path);
    json = json_loads(text, 0, NULL);
    ck_assert_msg(json, "%s", text);
    ck_assert(json_is_true(json_object_get(json, "hasCompletedOnboarding")));
    json_decref(json);
    /* The file is Claude's own from then on. */
    test_write(path, "mine", 0600);
    guest_run(&g, csb__strbuf_text(&script), &again);
    kept = test_read(path);
    ck_assert_str_eq(kept, "mine");
#ifdef __linux__
    ck_assert_ptr_nonnull(strstr(csb__strbuf_text(&r.out), MARK));
    ck_assert_ptr_nonnull(strstr(csb__strbuf_text(&r.out), " / rw"));
#endif
}
END_TEST

static void check_link(const char *dir, const char *name, const char *expected) {
    CSB__AUTOFREE char *path = test_join(dir, name);
    char target[512] = "";

    ck_assert_msg(readlink(path, target, sizeof(target) - 1) > 0, "%s is no link", path);
    ck_assert_str_eq(target, expected);
}

START_TEST(settings_are_linked_name_by_name) {
    CSB__CLEANUP(guest_finish) struct guest g;
    struct csb__spec spec = {.settings_dir = (char *)"/s"};
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTORESULT r = {0};
    CSB__AUTOFREE char *claude = NULL;
    CSB__AUTOFREE char *memory = NULL;
    CSB__AUTOFREE char *hooks = NULL;
    CSB__AUTOFREE char *foreign = NULL;
    CSB__AUTOFREE char *own = NULL;
    CSB__AUTOFREE char *old_link = NULL;
    CSB__AUTOFREE char *text = NULL;
    CSB__AUTOFREE char *unknown = NULL;

    guest_make(&g);
    claude = test_join(g.home, ".claude");
    memory = test_join(g.settings, "CLAUDE.md");
    hooks = test_join(g.settings, "hooks");
    foreign = test_join(g.settings, "projects");
    own = test_join(claude, "settings.json");
    old_link = test_join(claude, "hooks");
    unknown = test_join(claude, "projects");
    text = test_join(g.settings, "settings.json");
    test_write(memory, "m", 0600);
    test_write(text, "shared", 0600);
    ck_assert(mkdir(hooks, 0700) == 0 && mkdir(foreign, 0700) == 0 && mkdir(claude, 0700) == 0);
    test_write(own, "own", 0600);
    ck_assert_int_eq(symlink("/old/place", old_link), 0);

    csb__setup_script(&script, &direct, &spec);
    guest_run(&g, csb__strbuf_text(&script), &r);
    check_link(claude, "CLAUDE.md", memory);
    check_link(claude, "hooks", hooks);
    /* What the guest has of its own stays, and nothing else is taken over. */
    free(text);
    text = test_read(own);
    ck_assert_str_eq(text, "own");
    ck_assert(!test_exists(unknown));
}
END_TEST

START_TEST(mounts_are_bound_to_their_places) {
    CSB__CLEANUP(guest_finish) struct guest g;
    struct csb__spec spec = {0};
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTORESULT r = {0};
    CSB__AUTOFREE char *text = NULL;

    guest_make(&g);
    ck_assert_int_eq(csb__spec_add_mount(&spec, "/a", "/a", true, NULL), 0);
    ck_assert_int_eq(csb__spec_add_mount(&spec, "/b", "/work/it's $(b)", true, NULL), 0);
    csb__setup_script(&script, &binding, &spec);
    guest_run(&g, csb__strbuf_text(&script), &r);
    text = test_read(g.log);
    ck_assert_ptr_nonnull(strstr(text, "<mkdir><-p></work/it's $(b)>\n"
                                       "<mount><--bind></mnt/it's 1></work/it's $(b)>\n"));
    ck_assert_ptr_null(strstr(text, "</a>"));
    csb__spec_finish(&spec);
}
END_TEST

static int setup(const struct test_answer *answers, size_t n, struct test_runner *runner,
                 csb_error **err) {
    TEST_AUTOENV env;
    CSB__AUTOFREE char *control = NULL;
    CSB__AUTOFOUND found = {0};
    struct csb__spec spec = {0};
    struct csb__door door;
    int rc;

    test_env(&env);
    control = test_join(env.state_dir, "no-master");
    door = (struct csb__door){(char *)"/c", (char *)"h", control};
    *runner = (struct test_runner){.answers = answers, .n_answers = n};
    runner->data = &env;
    test_runner_use(&env, runner);
    csb__env_begin(&env, 3000);
    ck_assert_int_eq(csb__spec_add_mount(&spec, "/home/u/web", "/home/u/web", true, NULL), 0);
    rc = csb__guest_setup(&env, &direct, &spec, &door, false, &found, err);
    csb__spec_finish(&spec);
    return rc;
}

START_TEST(ssh_is_waited_for) {
    static const struct test_answer answers[] = {
        {.status = 255, .errout = "Connection refused\n"},
        {.rc = CSB_ETIMEOUT},
        {.status = 0},
        {.out = "noise\n" MARK WEB},
    };
    TEST_AUTORUNNER runner;
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_msg(setup(answers, 4, &runner, &e) == 0, "%s", csb_error_message(e));
    ck_assert_uint_eq(runner.n_calls, 4);
    ck_assert(test_has(&runner.calls[2].argv, "-fN"));
    ck_assert(test_has_words(&runner.calls[3].argv, "h", "--", "exec /bin/sh -s", NULL));
    ck_assert_ptr_nonnull(strstr(runner.calls[3].input, "cat /proc/self/mountinfo"));
}
END_TEST

START_TEST(ssh_is_not_waited_for_in_vain) {
    static const struct test_answer answers[] = {{.rc = CSB_ESYSTEM}};
    TEST_AUTORUNNER runner;

    /* Without ssh on the host there is nothing to wait for. */
    ck_assert_int_eq(setup(answers, 1, &runner, NULL), CSB_ESYSTEM);
    ck_assert_uint_eq(runner.n_calls, 1);
}
END_TEST

START_TEST(ssh_that_never_comes) {
    static const struct test_answer refused = {.status = 255, .errout = "Connection refused\n"};
    struct test_answer answers[TEST_CALLS_MAX];
    TEST_AUTORUNNER runner;
    CSB__AUTOERROR csb_error *e = NULL;

    for (int i = 0; i < TEST_CALLS_MAX; i++) {
        answers[i] = refused;
    }
    ck_assert_int_eq(setup(answers, TEST_CALLS_MAX, &runner, &e), CSB_EENGINE);
    test_check_error(e, CSB_EENGINE,
                     "the VM never answered ssh: no connection to the VM: "
                     "Connection refused");
    ck_assert_uint_gt(runner.n_calls, 1);
}
END_TEST

static void cancel(const struct csb__run *run, void *data) {
    (void)run;
    csb__env_cancel(data);
}

START_TEST(waiting_can_be_cancelled) {
    static const struct test_answer answers[] = {
        {.status = 255, .errout = "Connection refused\n", .hook = cancel},
    };
    TEST_AUTORUNNER runner;

    ck_assert_int_eq(setup(answers, 1, &runner, NULL), CSB_ECANCELED);
    ck_assert_uint_eq(runner.n_calls, 1);
}
END_TEST

START_TEST(other_mounts_are_found_out) {
    static const struct test_answer answers[] = {
        {.status = 0},
        {.out = MARK WEB "37 22 0:41 / /secret rw - 9p x rw\n"},
    };
    TEST_AUTORUNNER runner;
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_int_eq(setup(answers, 2, &runner, &e), CSB_EPROTOCOL);
    test_check_error(e, CSB_EPROTOCOL, "/secret");
}
END_TEST

/* Its mounts go before its sshd does: no reason to pull the plug. */
START_TEST(one_that_reboots_is_left_alone) {
    static const struct test_answer stopping[] = {
        {.status = 0}, {.out = MARK}, {.status = 1, .out = "stopping\n"}};
    static const struct test_answer gone[] = {{.status = 0}, {.out = MARK}, {.status = 255}};
    static const struct test_answer staying[] = {
        {.status = 0}, {.out = MARK}, {.status = 1, .out = "degraded\n"}};
    TEST_AUTORUNNER a;
    TEST_AUTORUNNER b;
    TEST_AUTORUNNER c;
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_int_eq(setup(stopping, 3, &a, &e), CSB_ESTATE);
    test_check_error(e, CSB_ESTATE, "shutting down or rebooting");
    ck_assert_int_eq(setup(gone, 3, &b, NULL), CSB_ESTATE);
    ck_assert_int_eq(setup(staying, 3, &c, NULL), CSB_EPROTOCOL);
}
END_TEST

START_TEST(a_script_that_does_not_end_well) {
    static const struct test_answer answers[] = {
        {.status = 0},
        {.status = 2, .out = WEB, .errout = "sh: no space left\n"},
    };
    TEST_AUTORUNNER runner;
    CSB__AUTOERROR csb_error *e = NULL;

    ck_assert_int_eq(setup(answers, 2, &runner, &e), CSB_EPROTOCOL);
    test_check_error(e, CSB_EPROTOCOL, "could not be prepared");
    ck_assert_str_eq(csb_error_detail(e), "sh: no space left\n");
    ck_assert_int_eq(csb_error_exit_status(e), 2);
}
END_TEST

Suite *setup_suite(void);
Suite *setup_suite(void) {
    Suite *s = suite_create("setup");
    TCase *tc = test_case(s, "setup");

    tcase_add_test(tc, a_virgin_home_is_readied_once);
    tcase_add_test(tc, settings_are_linked_name_by_name);
    tcase_add_test(tc, mounts_are_bound_to_their_places);
    tcase_add_test(tc, ssh_is_waited_for);
    tcase_add_test(tc, ssh_is_not_waited_for_in_vain);
    tcase_add_test(tc, ssh_that_never_comes);
    tcase_add_test(tc, waiting_can_be_cancelled);
    tcase_add_test(tc, other_mounts_are_found_out);
    tcase_add_test(tc, one_that_reboots_is_left_alone);
    tcase_add_test(tc, a_script_that_does_not_end_well);
    return s;
}
