/* SPDX-License-Identifier: MIT */
/*
 * What is said to a shell is proved by a shell: the same sh that a guest has. Should quoting ever fail
 * here, then what was to be data is run, perhaps by root. So it can do no harm: words of noise meet
 * no PATH and a directory of their own, and programs name the files they write outright (a "$0" that
 * went astray is /bin/sh).
 */
#include "guest/script.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/posix.h"
#include "support.h"

static const char *const shells[] = {"/bin/sh", "/bin/bash"};

static int run_in(const char *shell, const char *script, const char *const *envp,
                  struct csb__run_result *r) {
    TEST_AUTOENV env;
    CSB__AUTOFREE char *dir = test_dir();
    const char *const argv[] = {shell, "-c", script, NULL};
    struct csb__run run = CSB__RUN_INIT;

    test_env(&env);
    run.argv = argv;
    run.envp = envp;
    run.cwd = dir;
    return csb__run(&env, &run, r, NULL);
}

/* As sshd has it: the user's shell is given the script. */
static int run_command(const struct csb__command *c, const char *const *envp,
                       struct csb__run_result *r) {
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;

    csb__command_script(&script, c);
    ck_assert(!script.failed);
    return run_in("/bin/sh", csb__strbuf_text(&script), envp, r);
}

/* Of nobody else's run: its files lie where all users' do. */
static const char *any_token(void) {
    static char token[17];

    ck_assert_int_eq(csb__random_hex(token, 16), 0);
    return token;
}

static bool has_token_file(const char *token) {
    char path[40];

    snprintf(path, sizeof(path), "/tmp/.csb-%s", token);
    return test_exists(path);
}

#define WORDS 300

static const char *const no_path[] = {"PATH=/nonexistent", NULL};

static void make_words(char words[WORDS][40]) {
    unsigned state = 17;

    for (int i = 0; i < WORDS; i++) {
        size_t len = i < 256 ? 1 : test_random(&state) % 39;

        for (size_t k = 0; k < len; k++) {
            words[i][k] = (char)(i < 256 ? (i ? i : 1) : 1 + (int)(test_random(&state) % 255));
        }
        words[i][len] = '\0';
    }
    strcpy(words[256], "");
    strcpy(words[257], "'");
    strcpy(words[258], "''\\''");
    strcpy(words[259], "$(echo no) `echo no` $HOME \\");
    strcpy(words[260], "-n");
    strcpy(words[261], "a\n\nb\n");
    strcpy(words[262], "!! \"x\" *");
}

static void check_words(const struct csb__run_result *r, char words[WORDS][40]) {
    const char *p = r->out.data;
    const char *end = p + r->out.len;

    ck_assert_int_eq(r->status, 0);
    for (int i = 0; i < WORDS; i++) {
        ck_assert_msg(p + strlen(words[i]) < end && strcmp(p, words[i]) == 0, "word %d", i);
        p += strlen(words[i]) + 1;
    }
    ck_assert_ptr_eq(p, end);
}

START_TEST(any_word_survives_a_shell) {
    const char *shell = shells[_i];
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF nested = CSB__STRBUF_INIT;
    CSB__AUTORESULT once = {0};
    CSB__AUTORESULT twice = {0};
    char words[WORDS][40];

    if (access(shell, X_OK) != 0) {
        return;
    }
    make_words(words);
    csb__strbuf_puts(&script, "printf '%s\\0'");
    for (int i = 0; i < WORDS; i++) {
        csb__strbuf_puts(&script, " ");
        csb__shell_quote(&script, words[i]);
    }
    ck_assert_int_eq(run_in(shell, csb__strbuf_text(&script), no_path, &once), 0);
    check_words(&once, words);
    /* Quoted once more, as a script within a script. */
    csb__strbuf_puts(&nested, "exec /bin/sh -c ");
    csb__shell_quote(&nested, csb__strbuf_text(&script));
    ck_assert_int_eq(run_in(shell, csb__strbuf_text(&nested), no_path, &twice), 0);
    check_words(&twice, words);
}
END_TEST

START_TEST(arguments_pass_unchanged) {
    char words[WORDS][40];
    const char *argv[WORDS + 3] = {"/usr/bin/printf", "%s\\0"};
    struct csb__command c = {.argv = argv, .token = any_token(), .cwd = "/"};
    CSB__AUTORESULT r = {0};

    make_words(words);
    for (int i = 0; i < WORDS; i++) {
        argv[i + 2] = words[i];
    }
    argv[WORDS + 2] = NULL;
    ck_assert_int_eq(run_command(&c, no_path, &r), 0);
    check_words(&r, words);
}
END_TEST

START_TEST(names_of_variables) {
    static const char *const good[] = {"A=", "A=b", "_=1", "a1_B=x=y\n'", "LC_ALL=C"};
    static const char *const bad[] = {"",      "=",          "=x",   "A",     "1A=x",       "A-B=x",
                                      "A B=x", "A;reboot=x", "$A=x", "A\n=x", "\xc3\xa9=x", "A+=x"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_msg(csb__env_entry_valid(good[i]), "refused: %s", good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!csb__env_entry_valid(bad[i]), "accepted: %s", bad[i]);
    }
}
END_TEST

START_TEST(status_is_the_programs) {
    for (int status = 0; status < 256; status += 17) {
        char script[32];
        const char *const argv[] = {"sh", "-c", script, NULL};
        struct csb__command c = {.argv = argv, .token = any_token()};
        CSB__AUTORESULT r = {0};

        snprintf(script, sizeof(script), "exit %d", status);
        ck_assert_int_eq(run_command(&c, NULL, &r), 0);
        ck_assert_int_eq(r.status, status);
        ck_assert_int_eq(r.signo, 0);
    }
}
END_TEST

START_TEST(a_signal_is_128_and_its_number) {
    static const int signals[] = {SIGKILL, SIGTERM, SIGSEGV, SIGHUP};

    for (size_t i = 0; i < 4; i++) {
        char script[32];
        const char *const argv[] = {"sh", "-c", script, NULL};
        struct csb__command c = {.argv = argv, .token = any_token()};
        CSB__AUTORESULT r = {0};

        snprintf(script, sizeof(script), "kill -%d $$", signals[i]);
        ck_assert_int_eq(run_command(&c, NULL, &r), 0);
        ck_assert_int_eq(r.signo, 0);
        ck_assert_int_eq(r.status, 128 + signals[i]);
        ck_assert(!has_token_file(c.token));
    }
}
END_TEST

START_TEST(as_a_shell_says_it) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *plain = test_join(dir, "plain");
    const char *const ok[] = {"true", NULL};
    const char *const none[] = {"no-such-program-anywhere", NULL};
    const char *const denied[] = {plain, NULL};
    struct csb__command c = {.argv = ok, .cwd = "/no/such/dir", .token = any_token()};
    CSB__AUTORESULT bad_cwd = {0};
    CSB__AUTORESULT not_found = {0};
    CSB__AUTORESULT not_executable = {0};

    test_write(plain, "x", 0644);
    ck_assert_int_eq(run_command(&c, NULL, &bad_cwd), 0);
    ck_assert_int_eq(bad_cwd.status, 126);
    ck_assert(!has_token_file(c.token));
    c.cwd = NULL;
    c.argv = none;
    ck_assert_int_eq(run_command(&c, NULL, &not_found), 0);
    ck_assert_int_eq(not_found.status, 127);
    c.argv = denied;
    ck_assert_int_eq(run_command(&c, NULL, &not_executable), 0);
    ck_assert_int_eq(not_executable.status, 126);
}
END_TEST

START_TEST(the_place_is_the_one_asked_for) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *odd = test_join(dir, "-a 'b' $(c)\n");
    CSB__AUTOFREE char *expected = NULL;
    const char *const argv[] = {"pwd", NULL};
    struct csb__command c = {.argv = argv, .cwd = odd};
    CSB__AUTORESULT r = {0};

    ck_assert_int_eq(mkdir(odd, 0700), 0);
    ck_assert_int_ge(asprintf(&expected, "%s\n", odd), 0);
    ck_assert_int_eq(run_command(&c, NULL, &r), 0);
    ck_assert_str_eq(csb__strbuf_text(&r.out), expected);
}
END_TEST

static void make_token(char token[17], char path[40]) {
    ck_assert_int_eq(csb__random_hex(token, 16), 0);
    snprintf(path, 40, "/tmp/.csb-%s", token);
}

/* Puts entries where the command of that token finds them, as a guest is told to. */
static void stash(const char *token, const char *const *entries) {
    TEST_AUTOENV env;
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    const char *argv[] = {"/bin/sh", "-c", NULL, NULL};
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT r = {0};

    csb__stash_script(&script, token);
    csb__stash_text(&text, entries);
    ck_assert(!script.failed && !text.failed);
    test_env(&env);
    argv[2] = csb__strbuf_text(&script);
    run.argv = argv;
    run.input = csb__strbuf_text(&text);
    run.input_len = text.len;
    ck_assert_int_eq(csb__run(&env, &run, &r, NULL), 0);
    ck_assert_msg(r.status == 0, "%s", csb__strbuf_text(&r.errout));
}

START_TEST(environment_is_carried) {
    static const char *const entries[] = {"A=one 'two'\n$three `four` \\", "B_2=", "C==\xff\x01",
                                          NULL};
    char token[17];
    char path[40];
    char stash_path[64];
    const char *const argv[] = {"sh", "-c",
                                "printf '%s|%s|%s' \"$A\" \"${B_2-unset}\" \"$C\"; "
                                "test -e \"$0\" || echo ' gone'",
                                stash_path, NULL};
    struct csb__command c = {.argv = argv, .stashed = true, .token = token};
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTORESULT r = {0};
    struct stat st;

    make_token(token, path);
    snprintf(stash_path, sizeof(stash_path), CSB__STASH "%s", token);
    stash(token, entries);
    /* Nobody else is to know the values. */
    ck_assert_int_eq(stat(stash_path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    csb__command_script(&script, &c);
    ck_assert_ptr_null(strstr(csb__strbuf_text(&script), "three"));
    ck_assert_int_eq(run_command(&c, NULL, &r), 0);
    ck_assert_str_eq(csb__strbuf_text(&r.out), "one 'two'\n$three `four` \\||=\xff\x01 gone\n");
}
END_TEST

/* A program that was to have a key must not run without it. */
START_TEST(an_environment_that_was_lost) {
    const char *const argv[] = {"echo", "ran", NULL};
    struct csb__command c = {.argv = argv, .stashed = true, .token = any_token()};
    CSB__AUTORESULT r = {0};

    ck_assert_int_eq(run_command(&c, NULL, &r), 0);
    ck_assert_str_eq(csb__strbuf_text(&r.out), "");
    ck_assert_int_eq(r.status, 126);
}
END_TEST

START_TEST(a_login_shell_is_the_users) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *shell = test_join(dir, "shell");
    CSB__AUTOFREE char *variable = NULL;
    const char *envp[] = {"PATH=/usr/bin:/bin", NULL, NULL};
    const char *const argv[] = {"echo", "hello", NULL};
    struct csb__command program = {.argv = argv, .login = true};
    struct csb__command interactive = {.login = true, .cwd = "/"};
    CSB__AUTORESULT r = {0};
    CSB__AUTORESULT i = {0};

    test_write(shell, "#!/bin/sh\necho \"mine $1\"; [ \"$1\" = -lc ] && exec /bin/sh -c \"$2\"\n",
               0755);
    ck_assert_int_ge(asprintf(&variable, "SHELL=%s", shell), 0);
    envp[1] = variable;
    ck_assert_int_eq(run_command(&program, envp, &r), 0);
    ck_assert_str_eq(csb__strbuf_text(&r.out), "mine -lc\nhello\n");
    ck_assert_int_eq(run_command(&interactive, envp, &i), 0);
    ck_assert_str_eq(csb__strbuf_text(&i.out), "mine -l\n");
}
END_TEST

START_TEST(the_token_names_the_group) {
    char token[17];
    char path[40];
    const char *const argv[] = {
        "sh", "-c",
        "read -r a b c d group rest </proc/$$/stat; echo $group; cat \"$0\";"
        " stat -c %a \"$0\"",
        path, NULL};
    struct csb__command c = {.argv = argv, .token = token};
    CSB__AUTORESULT r = {0};
    long group;
    long noted;
    unsigned mode;

    make_token(token, path);
    ck_assert_int_eq(run_command(&c, NULL, &r), 0);
    ck_assert_int_eq(sscanf(csb__strbuf_text(&r.out), "%ld %ld %o", &group, &noted, &mode), 3);
    ck_assert_int_eq(group, noted);
    ck_assert_uint_eq(mode, 0600);
    ck_assert(!test_exists(path));
}
END_TEST

struct running {
    const char *script;
};

/* In a session of its own, as sshd makes one. */
static int run_as_sshd(void *arg) {
    const struct running *r = arg;

    setsid();
    execl("/bin/sh", "sh", "-c", r->script, NULL);
    return 99;
}

static bool is_there(void *arg) {
    CSB__AUTOFREE char *text = test_read(arg);

    return text && *text;
}

/* Starts it, waits until it says "up" in a file, kills it; how it ended. */
static int kill_running(const char *program, char *pid_file) {
    char token[17];
    char path[40];
    /* As $1: a missing $0 would be the path of the shell itself. */
    const char *const argv[] = {"sh", "-c", program, "sh", pid_file, NULL};
    struct csb__command c = {.argv = argv, .token = token};
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF killer = CSB__STRBUF_INIT;
    CSB__AUTORESULT result = {0};
    struct running r;
    pid_t pid;

    make_token(token, path);
    csb__command_script(&script, &c);
    csb__kill_script(&killer, token);
    r.script = csb__strbuf_text(&script);
    pid = test_fork(run_as_sshd, &r);
    ck_assert(test_wait(is_there, pid_file));
    ck_assert(test_exists(path));
    ck_assert_int_eq(run_in("/bin/sh", csb__strbuf_text(&killer), NULL, &result), 0);
    ck_assert(!test_exists(path));
    return test_join_child(pid);
}

START_TEST(killing_ends_all_of_it) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *pid_file = test_join(dir, "pid");
    CSB__AUTOFREE char *text = NULL;
    int status;

    status = kill_running("sleep 1000 & echo $! >\"$1.new\"; mv \"$1.new\" \"$1\"; wait", pid_file);
    ck_assert_int_eq(status, 128 + SIGTERM);
    text = test_read(pid_file);
    ck_assert_int_gt(atol(text), 1);
    ck_assert(test_wait_gone((pid_t)atol(text)));
}
END_TEST

START_TEST(killing_does_not_ask_twice) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *pid_file = test_join(dir, "pid");
    CSB__AUTOFREE char *text = NULL;

    kill_running("trap '' TERM; echo $$ >\"$1.new\"; mv \"$1.new\" \"$1\"; "
                 "while :; do sleep 1; done",
                 pid_file);
    text = test_read(pid_file);
    ck_assert_int_gt(atol(text), 1);
    ck_assert(test_wait_gone((pid_t)atol(text)));
}
END_TEST

START_TEST(killing_what_has_ended_is_nothing) {
    CSB__AUTOSTRBUF killer = CSB__STRBUF_INIT;
    CSB__AUTORESULT r = {0};
    char token[17];
    char path[40];
    char stash_path[64];
    int64_t start = csb__now_ms();

    make_token(token, path);
    csb__kill_script(&killer, token);
    for (size_t i = 0; i < 2; i++) {
        CSB__AUTORESULT r2 = {0};

        if (access(shells[i], X_OK) == 0) {
            ck_assert_int_eq(run_in(shells[i], csb__strbuf_text(&killer), NULL, &r2), 0);
            ck_assert_int_eq(r2.status, 0);
        }
    }
    ck_assert_int_lt(csb__now_ms() - start, 60000);
    /* The file is there, what it speaks of is not; and an environment that nobody took. */
    snprintf(stash_path, sizeof(stash_path), CSB__STASH "%s", token);
    test_write(stash_path, "export A=b\n", 0600);
    test_write(path, "2147483646\n", 0600);
    ck_assert_int_eq(run_in("/bin/sh", csb__strbuf_text(&killer), NULL, &r), 0);
    ck_assert_int_eq(r.status, 0);
    ck_assert(!test_exists(path));
    ck_assert(!test_exists(stash_path));
}
END_TEST

Suite *script_suite(void);
Suite *script_suite(void) {
    Suite *s = suite_create("script");
    TCase *tc = test_case(s, "script");

    tcase_add_loop_test(tc, any_word_survives_a_shell, 0, 2);
    tcase_add_test(tc, arguments_pass_unchanged);
    tcase_add_test(tc, names_of_variables);
    tcase_add_test(tc, status_is_the_programs);
    tcase_add_test(tc, a_signal_is_128_and_its_number);
    tcase_add_test(tc, as_a_shell_says_it);
    tcase_add_test(tc, the_place_is_the_one_asked_for);
    tcase_add_test(tc, environment_is_carried);
    tcase_add_test(tc, an_environment_that_was_lost);
    tcase_add_test(tc, a_login_shell_is_the_users);
    tcase_add_test(tc, the_token_names_the_group);
    tcase_add_test(tc, killing_ends_all_of_it);
    tcase_add_test(tc, killing_does_not_ask_twice);
    tcase_add_test(tc, killing_what_has_ended_is_nothing);
    return s;
}
