/* SPDX-License-Identifier: MIT */
#include "guest/login.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

#define LOGIN                                                                                      \
    "{\"claudeAiOauth\": {\"accessToken\": \"sk-ant-oat01-x\", \"refreshToken\": "                 \
    "\"sk-ant-ort01-y\","                                                                          \
    " \"expiresAt\": 4102444800000, \"scopes\": [\"user:inference\"]}, \"other\": 1}"

static struct csb__door door = {(char *)"/state/ssh.config", (char *)"box", (char *)"/nowhere/ssh"};

static char warning[512];

static void note_warning(int level, const char *text, void *userdata) {
    (void)userdata;
    if (level == CSB_LOG_WARNING) {
        snprintf(warning, sizeof(warning), "%s", text);
    }
}

START_TEST(the_refresh_token_stays_here) {
    CSB__AUTOFREE char *text = NULL;
    int64_t expires = 0;

    ck_assert_int_eq(csb__login_for_guest(LOGIN, strlen(LOGIN), &text, &expires, NULL), 0);
    ck_assert_ptr_nonnull(strstr(text, "\"accessToken\":\"sk-ant-oat01-x\""));
    ck_assert_ptr_nonnull(strstr(text, "user:inference"));
    ck_assert_ptr_null(strstr(text, "ort01"));
    ck_assert_int_eq(expires, 4102444800000);
}
END_TEST

START_TEST(other_logins_stay_here) {
    static const char login[] = "{\"mcpOAuth\":{\"x|1\":{\"refreshToken\":\"mcp\"}},"
                                "\"claudeAiOauth\":{\"accessToken\":\"a\",\"refreshToken\":\"r\"}}";
    CSB__AUTOFREE char *text = NULL;
    int64_t expires = 0;

    ck_assert_int_eq(csb__login_for_guest(login, strlen(login), &text, &expires, NULL), 0);
    ck_assert_str_eq(text, "{\"claudeAiOauth\":{\"accessToken\":\"a\"}}");
}
END_TEST

START_TEST(what_is_no_login) {
    static const char *const texts[] = {
        "",
        "{",
        "garbage",
        "[]",
        "{}",
        "{\"claudeAiOauth\": 1}",
        "{\"claudeAiOauth\": {}}",
        "{\"claudeAiOauth\": {\"accessToken\": \"\"}}",
        "{\"claudeAiOauth\": {\"accessToken\": 5}}",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CSB__AUTOFREE char *text = NULL;
        int64_t expires;

        ck_assert_msg(csb__login_for_guest(texts[i], strlen(texts[i]), &text, &expires, NULL) ==
                          CSB_EPROTOCOL,
                      "taken: %s", texts[i]);
    }
}
END_TEST

START_TEST(the_keychain_is_asked_for_claudes_item) {
    static const struct test_answer answers[] = {{.out = "{}\n"},
                                                 {.status = 44, .errout = "could not be found"},
                                                 {.status = 1, .errout = "no\n"}};
    TEST_AUTOENV env;
    TEST_AUTORUNNER runner = {.answers = answers, .n_answers = 3};
    CSB__AUTOSTRBUF out = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF none = CSB__STRBUF_INIT;
    CSB__AUTOERROR csb_error *e = NULL;

    test_env(&env);
    test_runner_use(&env, &runner);
    ck_assert_int_eq(csb__login_read_keychain(&env, &out, NULL), 0);
    ck_assert_str_eq(csb__strbuf_text(&out), "{}\n");
    ck_assert(test_has_words(&runner.calls[0].argv, "security", "find-generic-password", "-s",
                             "Claude Code-credentials", "-a", NULL));
    ck_assert_int_eq(csb__login_read_keychain(&env, &none, NULL), 0);
    ck_assert_uint_eq(none.len, 0);
    ck_assert_int_eq(csb__login_read_keychain(&env, &none, &e), CSB_EENGINE);
    test_check_error(e, CSB_EENGINE, "the keychain gives no login: no");
}
END_TEST

#ifdef __linux__
struct home {
    struct csb__env env;
    struct test_runner runner;
    char *dir;
    char *file;
};

/* Answers as a guest that takes the login. */
static void home_make(struct home *h, const char *login) {
    CSB__AUTOFREE char *claude = NULL;

    *h = (struct home){.dir = test_dir()};
    test_env(&h->env);
    test_runner_use(&h->env, &h->runner);
    h->env.log = note_warning;
    warning[0] = '\0';
    claude = test_join(h->dir, ".claude");
    ck_assert_int_eq(mkdir(claude, 0700), 0);
    h->file = test_join(claude, ".credentials.json");
    if (login) {
        test_write(h->file, login, 0600);
    }
    setenv("HOME", h->dir, 1);
    unsetenv("CLAUDE_CONFIG_DIR");
}

static void home_finish(struct home *h) {
    test_runner_finish(&h->runner);
    csb__env_finish(&h->env);
    free(h->file);
    free(h->dir);
}
#define AUTOHOME CSB__CLEANUP(home_finish) struct home

START_TEST(the_hosts_login_reaches_the_guest) {
    AUTOHOME h;

    home_make(&h, LOGIN);
    ck_assert_int_eq(csb__login_share(&h.env, &door, NULL), 0);
    ck_assert_uint_eq(h.runner.n_calls, 1);
    ck_assert_ptr_nonnull(strstr(h.runner.calls[0].input, "oat01"));
    ck_assert_ptr_null(strstr(h.runner.calls[0].input, "ort01"));
    for (size_t i = 0; i < h.runner.calls[0].argv.len; i++) {
        ck_assert_ptr_null(strstr(h.runner.calls[0].argv.items[i], "oat01"));
    }
    ck_assert_str_eq(warning, "");
}
END_TEST

START_TEST(no_login_is_no_error) {
    AUTOHOME h;

    home_make(&h, NULL);
    ck_assert_int_eq(csb__login_share(&h.env, &door, NULL), 0);
    ck_assert_uint_eq(h.runner.n_calls, 0);
    ck_assert_str_eq(warning, "");
}
END_TEST

START_TEST(nonsense_stays_here_and_is_told) {
    AUTOHOME h;

    home_make(&h, "not json");
    ck_assert_int_eq(csb__login_share(&h.env, &door, NULL), 0);
    ck_assert_uint_eq(h.runner.n_calls, 0);
    ck_assert_ptr_nonnull(strstr(warning, "the host's login is not passed on"));
}
END_TEST

START_TEST(an_expired_login_is_told) {
    AUTOHOME h;

    home_make(&h, "{\"claudeAiOauth\": {\"accessToken\": \"x\", \"expiresAt\": 1000}}");
    ck_assert_int_eq(csb__login_share(&h.env, &door, NULL), 0);
    ck_assert_uint_eq(h.runner.n_calls, 1);
    ck_assert_ptr_nonnull(strstr(warning, "has expired"));
}
END_TEST

/* The guest's script, run here: whatever the guest has in that place is replaced, not followed. */
START_TEST(a_link_in_the_guest_is_not_followed) {
    AUTOHOME h;
    CSB__AUTORESULT r = {0};
    CSB__AUTOFREE char *victim = NULL;
    CSB__AUTOFREE char *unharmed = NULL;
    CSB__AUTOFREE char *written = NULL;
    CSB__AUTOFREE char *guest = test_dir();
    CSB__AUTOFREE char *claude = test_join(guest, ".claude");
    CSB__AUTOFREE char *place = test_join(claude, ".credentials.json");
    CSB__AUTOFREE char *set_home = NULL;
    const char *argv[] = {"/bin/sh", "-c", NULL, NULL};
    const char *envp[] = {NULL, "PATH=/usr/bin:/bin", NULL};
    struct csb__run run = CSB__RUN_INIT;
    struct stat st;

    home_make(&h, LOGIN);
    ck_assert_int_eq(csb__login_share(&h.env, &door, NULL), 0);
    victim = test_join(h.dir, "victim");
    test_write(victim, "mine", 0600);
    ck_assert_int_eq(mkdir(claude, 0700), 0);
    ck_assert_int_eq(symlink(victim, place), 0);
    ck_assert_int_ge(asprintf(&set_home, "HOME=%s", guest), 0);
    argv[2] = h.runner.calls[0].argv.items[h.runner.calls[0].argv.len - 1];
    envp[0] = set_home;
    run.argv = argv;
    run.envp = envp;
    run.input = "{}";
    run.input_len = 2;
    h.env.runner = NULL;
    csb__env_finish(&h.env);
    test_env(&h.env);
    ck_assert_int_eq(csb__run(&h.env, &run, &r, NULL), 0);
    ck_assert_msg(r.status == 0, "%s", csb__strbuf_text(&r.errout));
    unharmed = test_read(victim);
    written = test_read(place);
    ck_assert_str_eq(unharmed, "mine");
    ck_assert_str_eq(written, "{}");
    ck_assert_int_eq(lstat(place, &st), 0);
    ck_assert(S_ISREG(st.st_mode));
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(test_count_entries(claude), 1);
}
END_TEST
#endif

Suite *login_suite(void);
Suite *login_suite(void) {
    Suite *s = suite_create("login");
    TCase *tc = test_case(s, "login");

    tcase_add_test(tc, the_refresh_token_stays_here);
    tcase_add_test(tc, other_logins_stay_here);
    tcase_add_test(tc, what_is_no_login);
    tcase_add_test(tc, the_keychain_is_asked_for_claudes_item);
#ifdef __linux__
    tcase_add_test(tc, the_hosts_login_reaches_the_guest);
    tcase_add_test(tc, no_login_is_no_error);
    tcase_add_test(tc, nonsense_stays_here_and_is_told);
    tcase_add_test(tc, an_expired_login_is_told);
    tcase_add_test(tc, a_link_in_the_guest_is_not_followed);
#endif
    return s;
}
