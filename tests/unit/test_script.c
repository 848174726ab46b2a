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

#include "core/child.h"
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

static void token_path(char path[48], const char *token) {
    snprintf(path, 48, CSB__TOKEN_FILE "%s", token);
}

/* Of nobody else's run: its file lies where all users' do. */
static const char *any_token(void) {
    static char token[17];

    ck_assert_int_eq(csb__random_hex(token, 16), 0);
    return token;
}

static bool has_token_file(const char *token) {
    char path[48];

    token_path(path, token);
    return test_exists(path);
}

/* What a program leaves to its keeper. */
static void forget_token(const char *token, const char *expected) {
    CSB__AUTOFREE char *text = NULL;
    char path[48];

    token_path(path, token);
    text = test_read(path);
    ck_assert_ptr_nonnull(text);
    if (expected) {
        ck_assert_str_eq(text, expected);
    }
    ck_assert_int_eq(unlink(path), 0);
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
    struct csb__command c = {.argv = argv, .cwd = "/"};
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
        forget_token(c.token, "0\n");
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
        forget_token(c.token, "0\n");
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
    forget_token(c.token, NULL);
    c.token = NULL;
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

START_TEST(environment_is_carried) {
    static const char *const entries[] = {"A=one 'two'\n$three `four` \\", "B_2=", "C==\xff\x01",
                                          NULL};
    char stash_path[64];
    const char *const argv[] = {"sh", "-c",
                                "printf '%s|%s|%s' \"$A\" \"${B_2-unset}\" \"$C\"; "
                                "test -e \"$0\" || echo ' gone'",
                                stash_path, NULL};
    struct csb__command c = {.argv = argv, .stashed = true, .token = any_token()};
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTORESULT r = {0};

    snprintf(stash_path, sizeof(stash_path), CSB__STASH "%s", c.token);
    csb__stash_text(&text, entries);
    test_write(stash_path, csb__strbuf_text(&text), 0600);
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
    forget_token(c.token, NULL);
}
END_TEST

/* Nor one whose keeper has given it up already. */
START_TEST(without_its_keeper_nothing_runs) {
    const char *const argv[] = {"echo", "ran", NULL};
    struct csb__command c = {.argv = argv, .token = any_token()};
    char path[48];
    CSB__AUTORESULT r = {0};

    token_path(path, c.token);
    test_write(path, "end\n", 0600);
    ck_assert_int_eq(run_command(&c, NULL, &r), 0);
    ck_assert_str_eq(csb__strbuf_text(&r.out), "");
    ck_assert_int_eq(r.status, 126);
}
END_TEST

/* It gets all that it is to run as words. */
START_TEST(a_keeper_inside) {
    static const char *const argv[] = {"a 'b'", "$c", "", NULL};
    static const char *const env[] = {"A=1 2", NULL};
    static const char *const envp[] = {"SHELL=/bin/some shell", NULL};
    struct csb__command c = {.argv = argv, .cwd = "/x 'y'", .keeper = "/bin/echo"};
    CSB__AUTORESULT plain = {0};
    CSB__AUTORESULT login = {0};

    ck_assert_int_eq(run_command(&c, NULL, &plain), 0);
    ck_assert_str_eq(csb__strbuf_text(&plain.out), "keeper host /x 'y' a 'b' $c \n");
    c.tty = c.login = true;
    c.env = env;
    ck_assert_int_eq(run_command(&c, envp, &login), 0);
    ck_assert_ptr_eq(
        strstr(csb__strbuf_text(&login.out),
               "keeper terminal  /bin/some shell -lc export A='1 2'; "
               "cd -- '/x '\\''y'\\''' || exit 126; set -- 'a '\\''b'\\''' '$c' '' ; case $1 in "),
        csb__strbuf_text(&login.out));
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
    char path[48];
    const char *const argv[] = {
        "sh", "-c",
        "read -r a b c d group rest </proc/$$/stat; echo $group; cat \"$0\";"
        " stat -c %a \"$0\"",
        path, NULL};
    struct csb__command c = {.argv = argv, .token = any_token()};
    CSB__AUTORESULT r = {0};
    long group;
    long noted;
    unsigned mode;

    token_path(path, c.token);
    ck_assert_int_eq(run_command(&c, NULL, &r), 0);
    ck_assert_int_eq(sscanf(csb__strbuf_text(&r.out), "%ld %ld %o", &group, &noted, &mode), 3);
    ck_assert_int_eq(group, noted);
    ck_assert_uint_eq(mode & 022, 0);
    forget_token(c.token, "0\n");
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

/* A keeper at its post, with the stash it was given. */
static void start_keeper(struct csb__env *env, const char *token, const char *stash,
                         struct csb__child *ret) {
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    const char *argv[] = {"/bin/sh", "-c", NULL, NULL};
    struct csb__run run = CSB__RUN_INIT;
    char said[18] = "";

    csb__keeper_script(&script, token, strlen(stash));
    argv[2] = csb__strbuf_text(&script);
    run.argv = argv;
    run.input = stash;
    ck_assert_int_eq(csb__child_start(env, &run, ret, NULL), 0);
    ck_assert_int_eq(csb__write_all(ret->stdio[0], stash, strlen(stash)), 0);
    ck_assert_int_eq(read(ret->stdio[1], said, 17), 17);
    ck_assert_int_eq(strncmp(said, token, 16), 0);
}

static void end_keeper(struct csb__env *env, struct csb__child *k, const char *word) {
    ck_assert_int_eq(csb__write_all(k->stdio[0], word, strlen(word)), 0);
    csb__fd_close(&k->stdio[0]);
    ck_assert_int_eq(csb__child_wait(env, k, csb__now_ms() + 20000, "it", NULL), 0);
    csb__child_close(k);
}

/* Starts it, waits until it says "up" in a file, tells its keeper; how it ended. */
static int keep_running(const char *program, char *pid_file, const char *word) {
    TEST_AUTOENV env;
    struct csb__child keeper;
    char token[17];
    /* As $1: a missing $0 would be the path of the shell itself. */
    const char *const argv[] = {"sh", "-c", program, "sh", pid_file, NULL};
    struct csb__command c = {.argv = argv, .token = token};
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    struct running r;
    pid_t pid;
    int status;

    test_env(&env);
    ck_assert_int_eq(csb__random_hex(token, 16), 0);
    start_keeper(&env, token, "", &keeper);
    csb__command_script(&script, &c);
    r.script = csb__strbuf_text(&script);
    pid = test_fork(run_as_sshd, &r);
    ck_assert(test_wait(is_there, pid_file));
    ck_assert(has_token_file(token));
    if (strcmp(word, CSB__KEEPER_END) == 0 || !*word) {
        end_keeper(&env, &keeper, word);
        ck_assert(!has_token_file(token));
        return test_join_child(pid);
    }
    ck_assert_int_eq(csb__write_all(keeper.stdio[0], word, strlen(word)), 0);
    status = test_join_child(pid);
    end_keeper(&env, &keeper, "");
    ck_assert(!has_token_file(token));
    return status;
}

#define UP "echo $! >\"$1.new\"; mv \"$1.new\" \"$1\"; "

/* What its keeper does with a program and with what that started; the status is the program's own. */
static const struct {
    const char *word;
    const char *program;
    int status;
} ends[] = {
    {"TERM\n", "sleep 1000 & " UP "wait", 128 + SIGTERM},
    {"USR1\n", "sleep 1000 & " UP "wait", 128 + SIGUSR1},
    {"INT\n", "sleep 1000 & trap 'kill $!; exit 5' INT; " UP "wait", 5},
    {"nonsense\n$(exit)\nHUP\n", "sleep 1000 & " UP "wait", 128 + SIGHUP},
    {CSB__KEEPER_END, "sleep 1000 & " UP "wait", 128 + SIGTERM},
    {"", "sleep 1000 & " UP "wait", 128 + SIGHUP},
    {"", "trap '' HUP; sleep 1000 & " UP "wait", 128 + SIGTERM},
    {"", "trap '' HUP TERM; sleep 1000 & " UP "wait", 128 + SIGKILL},
    {CSB__KEEPER_END, "trap '' TERM; sleep 1000 & " UP "wait", 128 + SIGKILL},
    {"STOP\nCONT\nTERM\n", "sleep 1000 & " UP "wait", 128 + SIGTERM},
};

START_TEST(a_keeper_ends_all_of_it) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *pid_file = test_join(dir, "pid");
    CSB__AUTOFREE char *text = NULL;

    ck_assert_int_eq(keep_running(ends[_i].program, pid_file, ends[_i].word), ends[_i].status);
    text = test_read(pid_file);
    ck_assert_int_gt(atol(text), 1);
    ck_assert(test_wait_gone((pid_t)atol(text)));
}
END_TEST

START_TEST(a_session_of_its_own_stays) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *pid_file = test_join(dir, "pid");
    CSB__AUTOFREE char *text = NULL;
    uint64_t start;
    pid_t pid;

    keep_running(
        "setsid sh -c 'echo $$ >\"$0.new\"; mv \"$0.new\" \"$0\"; exec sleep 1000' \"$1\" & "
        "wait",
        pid_file, "");
    text = test_read(pid_file);
    pid = (pid_t)atol(text);
    ck_assert_int_gt(pid, 1);
    ck_assert_int_eq(csb__process_start_time(pid, &start), 0);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
}
END_TEST

/* A host that is gone before its program has begun: then it never does, and leaves nothing. */
START_TEST(what_has_not_begun_does_not) {
    const char *const argv[] = {"echo", "ran", NULL};
    TEST_AUTOENV env;
    struct csb__child keeper;
    char token[17];
    char path[64];
    struct csb__command c = {.argv = argv, .token = token, .stashed = true};
    CSB__AUTOFREE char *stash = NULL;
    CSB__AUTORESULT r = {0};
    struct stat st;

    test_env(&env);
    ck_assert_int_eq(csb__random_hex(token, 16), 0);
    start_keeper(&env, token, "export A='b'\n", &keeper);
    snprintf(path, sizeof(path), CSB__STASH "%s", token);
    /* Nobody else is to know the values. */
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    stash = test_read(path);
    ck_assert_str_eq(stash, "export A='b'\n");
    end_keeper(&env, &keeper, _i ? "" : CSB__KEEPER_END);
    ck_assert(!test_exists(path));
    ck_assert_int_eq(run_command(&c, NULL, &r), 0);
    ck_assert_int_eq(r.status, 126);
    ck_assert(!has_token_file(token));
    ck_assert_str_eq(csb__strbuf_text(&r.out), "");
}
END_TEST

/* A host that was gone before the keeper of its program could come: the next keeper tidies up. */
START_TEST(what_is_over_is_removed_by_any_keeper) {
    TEST_AUTOENV env;
    struct csb__child keeper;
    char over[48];
    char running[48];
    char token[17];

    test_env(&env);
    token_path(over, any_token());
    test_write(over, "0\n", 0600);
    token_path(running, any_token());
    test_write(running, "999999999\n", 0600);
    ck_assert_int_eq(csb__random_hex(token, 16), 0);
    start_keeper(&env, token, "", &keeper);
    end_keeper(&env, &keeper, "");
    ck_assert(!test_exists(over));
    ck_assert(test_exists(running));
    unlink(running);
    token_path(running, token);
    unlink(running);
}
END_TEST

START_TEST(signals_have_names) {
    ck_assert_str_eq(csb__signal_name(SIGUSR1), "USR1");
    ck_assert_ptr_null(csb__signal_name(0));
    ck_assert_ptr_null(csb__signal_name(-1));
    ck_assert_ptr_null(csb__signal_name(SIGSEGV));
    ck_assert_ptr_null(csb__signal_name(1000));
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
    tcase_add_test(tc, without_its_keeper_nothing_runs);
    tcase_add_test(tc, a_keeper_inside);
    tcase_add_test(tc, a_login_shell_is_the_users);
    tcase_add_test(tc, the_token_names_the_group);
    tcase_add_test(tc, what_is_over_is_removed_by_any_keeper);
    tcase_add_loop_test(tc, a_keeper_ends_all_of_it, 0, sizeof(ends) / sizeof(ends[0]));
    tcase_add_test(tc, a_session_of_its_own_stays);
    tcase_add_loop_test(tc, what_has_not_begun_does_not, 0, 2);
    tcase_add_test(tc, signals_have_names);
    return s;
}
