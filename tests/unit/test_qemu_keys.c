/* SPDX-License-Identifier: MIT */
#include "engine/qemu/keys.h"

#include <stdio.h>
#include <string.h>

#include "core/path.h"
#include "support.h"

static void make(struct csb__env *env, struct csb__instance *i) {
    *i = (struct csb__instance){0};
    ck_assert_int_eq(csb__instance_init(env, "web", i, NULL), 0);
    ck_assert_int_eq(csb__mkdirs(i->dir, NULL), 0);
    ck_assert_int_eq(csb__mkdirs(i->run_dir, NULL), 0);
    i->ssh_port = 40022;
}

START_TEST(keys_are_made_by_ssh_keygen) {
    TEST_AUTOENV env;
    TEST_AUTORUNNER runner = {0};
    CSB__AUTOINSTANCE i;
    CSB__AUTOFREE char *user = NULL;
    CSB__AUTOFREE char *host = NULL;

    test_env(&env);
    make(&env, &i);
    test_runner_use(&env, &runner);
    user = csb__instance_path(&i, "user_key");
    host = csb__instance_path(&i, "host_key");
    /* It would ask whether to replace what is there. */
    test_write(user, "old", 0600);
    ck_assert_int_eq(csb__keys_make(&env, &i, NULL), 0);
    ck_assert(!test_exists(user));
    ck_assert_uint_eq(runner.n_calls, 2);
    ck_assert(test_has_words(&runner.calls[0].argv, "ssh-keygen", "-q", "-t", "ed25519", "-N", "",
                             "-C", "web", "-f", user, NULL));
    ck_assert(test_has_words(&runner.calls[1].argv, "-f", host, NULL));
}
END_TEST

START_TEST(ssh_keygen_says_why) {
    static const struct test_answer answers[] = {{.status = 1, .errout = "No space left\n"}};
    TEST_AUTOENV env;
    TEST_AUTORUNNER runner = {.answers = answers, .n_answers = 1};
    CSB__AUTOINSTANCE i;
    CSB__AUTOERROR csb_error *e = NULL;

    test_env(&env);
    make(&env, &i);
    test_runner_use(&env, &runner);
    ck_assert_int_eq(csb__keys_make(&env, &i, &e), CSB_ESYSTEM);
    ck_assert_str_eq(csb_error_detail(e), "No space left\n");
    ck_assert_uint_eq(runner.n_calls, 1);
}
END_TEST

/* What ssh itself makes of the config. */
static char *ask_ssh(struct csb__env *env, const char *config) {
    const char *const argv[] = {"ssh", "-G", "-F", config, "web", NULL};
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT r = {0};

    run.argv = argv;
    ck_assert_int_eq(csb__run(env, &run, &r, NULL), 0);
    ck_assert_msg(r.status == 0, "%s", csb__strbuf_text(&r.errout));
    return csb__strbuf_detach(&r.out);
}

static void check_line(const char *text, const char *key, const char *value) {
    CSB__AUTOFREE char *line = NULL;

    ck_assert_int_ge(asprintf(&line, "\n%s %s\n", key, value), 0);
    ck_assert_msg(strstr(text, line), "no \"%s %s\" in\n%s", key, value, text);
}

START_TEST(ssh_understands_the_config) {
    TEST_AUTOENV env;
    CSB__AUTOINSTANCE i;
    CSB__AUTOFREE char *odd = NULL;
    CSB__AUTOFREE char *key = NULL;
    CSB__AUTOFREE char *config = NULL;
    CSB__AUTOFREE char *known = NULL;
    CSB__AUTOFREE char *text = NULL;
    CSB__AUTOFREE char *known_hosts = NULL;
    CSB__AUTOFREE char *ssh = csb__find_program("ssh");

    test_env(&env);
    odd = test_join(env.state_dir, "a b#'c");
    free(env.state_dir);
    env.state_dir = CSB__STEAL(odd);
    make(&env, &i);
    key = csb__instance_path(&i, "host_key.pub");
    config = csb__instance_path(&i, "ssh.config");
    known = csb__instance_path(&i, "known_hosts");
    test_write(key, "ssh-ed25519 AAAA web\n", 0600);
    ck_assert_int_eq(csb__keys_write_config(&i, "claude", NULL), 0);
    known_hosts = test_read(known);
    ck_assert_str_eq(known_hosts, "web ssh-ed25519 AAAA web\n");
    if (!ssh) {
        return;
    }
    text = ask_ssh(&env, config);
    free(key);
    key = csb__instance_path(&i, "user_key");
    check_line(text, "hostname", "127.0.0.1");
    check_line(text, "port", "40022");
    check_line(text, "user", "claude");
    check_line(text, "hostkeyalias", "web");
    check_line(text, "stricthostkeychecking", "true");
    check_line(text, "forwardagent", "no");
    check_line(text, "identitiesonly", "yes");
    check_line(text, "identityagent", "none");
    check_line(text, "identityfile", key);
    check_line(text, "userknownhostsfile", known);
    free(key);
    key = csb__instance_socket(&i, "ssh");
    check_line(text, "controlpath", key);
}
END_TEST

START_TEST(odd_characters_are_escaped) {
    TEST_AUTOENV env;
    CSB__AUTOINSTANCE i;
    CSB__AUTOFREE char *odd = NULL;
    CSB__AUTOFREE char *key = NULL;
    CSB__AUTOFREE char *config = NULL;
    CSB__AUTOFREE char *text = NULL;

    test_env(&env);
    odd = test_join(env.state_dir, "100%h\"\\");
    free(env.state_dir);
    env.state_dir = CSB__STEAL(odd);
    make(&env, &i);
    key = csb__instance_path(&i, "host_key.pub");
    config = csb__instance_path(&i, "ssh.config");
    test_write(key, "k\n", 0600);
    ck_assert_int_eq(csb__keys_write_config(&i, "claude", NULL), 0);
    text = test_read(config);
    ck_assert_ptr_nonnull(strstr(text, "/100%%h\\\"\\\\/qemu/web/user_key\"\n"));
    ck_assert_ptr_null(strstr(text, "100%h"));
}
END_TEST

START_TEST(without_a_host_key_there_is_no_config) {
    TEST_AUTOENV env;
    CSB__AUTOINSTANCE i;
    CSB__AUTOFREE char *config = NULL;

    test_env(&env);
    make(&env, &i);
    config = csb__instance_path(&i, "ssh.config");
    ck_assert_int_eq(csb__keys_write_config(&i, "claude", NULL), CSB_ESYSTEM);
    ck_assert(!test_exists(config));
}
END_TEST

START_TEST(the_door) {
    TEST_AUTOENV env;
    CSB__AUTOINSTANCE i;
    CSB__AUTOMACHINE m = {0};
    CSB__AUTOFREE char *config = NULL;
    CSB__AUTOFREE char *control = NULL;

    test_env(&env);
    make(&env, &i);
    config = csb__instance_path(&i, "ssh.config");
    control = csb__instance_socket(&i, "ssh");
    ck_assert_int_eq(csb__keys_door(&i, &m.door, NULL), 0);
    ck_assert_str_eq(m.door.ssh_config, config);
    ck_assert_str_eq(m.door.ssh_host, "web");
    ck_assert_str_eq(m.door.control_path, control);
}
END_TEST

Suite *qemu_keys_suite(void);
Suite *qemu_keys_suite(void) {
    Suite *s = suite_create("qemu_keys");
    TCase *tc = test_case(s, "qemu_keys");

    tcase_add_test(tc, keys_are_made_by_ssh_keygen);
    tcase_add_test(tc, ssh_keygen_says_why);
    tcase_add_test(tc, ssh_understands_the_config);
    tcase_add_test(tc, odd_characters_are_escaped);
    tcase_add_test(tc, without_a_host_key_there_is_no_config);
    tcase_add_test(tc, the_door);
    return s;
}
