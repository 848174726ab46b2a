/* SPDX-License-Identifier: MIT */
#include "guest/activity.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <claudesandbox/claude.h>

#include "fake_vm.h"

/* As Claude Code 2.1.330 writes it, with another status. */
#define FILE_OF(pid, start, more)                                                                  \
    "{\"pid\":" pid ",\"sessionId\":\"0f16\",\"cwd\":\"/tmp/p\",\"procStart\":\"" start            \
    "\",\"version\":\"2.1.330\",\"kind\":\"interactive\",\"entrypoint\":\"cli\"" more "}"
#define SESSION(pid, start, more) "session " pid " " start " " FILE_OF(pid, start, more) "\n"
#define STATUS(word) ",\"status\":\"" word "\""
#define ONE(word) SESSION("7", "2330032", STATUS(word)) "end\n"

static void check(const char *text, int expected) {
    CSB__AUTOERROR csb_error *e = NULL;
    int activity = -1;

    ck_assert_msg(csb__activity_parse(text, strlen(text), &activity, &e) == 0, "%s: %s", text,
                  csb_error_message(e));
    ck_assert_msg(activity == expected, "%d, not %d: %s", activity, expected, text);
}

START_TEST(what_a_session_says) {
    check("end\n", CSB_ACTIVITY_NONE);
    check(ONE("idle"), CSB_ACTIVITY_IDLE);
    check(ONE("shell"), CSB_ACTIVITY_IDLE);
    check(ONE("waiting\",\"waitingFor\":\"permission prompt"), CSB_ACTIVITY_WAITING);
    check(ONE("busy"), CSB_ACTIVITY_BUSY);
    check(ONE("of a later version"), CSB_ACTIVITY_BUSY);
    check(SESSION("7", "5", "") "end\n", CSB_ACTIVITY_BUSY);
    check(SESSION("7", "5", ",\"status\":1") "end\n", CSB_ACTIVITY_BUSY);
    /* In the middle of being written, or of another version. */
    check("session 7 5 {\"pid\":7,\"stat\nend\n", CSB_ACTIVITY_BUSY);
    check("session 7 5 \nend\n", CSB_ACTIVITY_BUSY);
    check("session 7 5 []\nend\n", CSB_ACTIVITY_BUSY);
}
END_TEST

START_TEST(a_number_used_anew_is_another_process) {
    check("session 7 6 " FILE_OF("7", "5", STATUS("busy")) "\nend\n", CSB_ACTIVITY_NONE);
    check("session 7 5 {\"procStart\":5,\"status\":\"idle\"}\nend\n", CSB_ACTIVITY_IDLE);
    check("session 7 6 {\"procStart\":5,\"status\":\"idle\"}\nend\n", CSB_ACTIVITY_NONE);
    check("session 7 6 {\"status\":\"idle\"}\nend\n", CSB_ACTIVITY_IDLE);
}
END_TEST

START_TEST(of_several_the_busiest_counts) {
    check(SESSION("7", "1", STATUS("idle")) SESSION("8", "2", STATUS("waiting")) "end\n",
          CSB_ACTIVITY_WAITING);
    check(SESSION("7", "1", STATUS("busy")) SESSION("8", "2", STATUS("idle")) "end\n",
          CSB_ACTIVITY_BUSY);
}
END_TEST

START_TEST(a_process_without_a_session) {
    check("claude 7 1\nend\n", CSB_ACTIVITY_BUSY);
    check(SESSION("7", "1", STATUS("idle")) "claude 9 1\nend\n", CSB_ACTIVITY_BUSY);
    /* A child of Claude's that is about to become a program. */
    check(SESSION("7", "1", STATUS("idle")) "claude 9 7\nend\n", CSB_ACTIVITY_IDLE);
    check(SESSION("7", "1", ",\"kind\":\"daemon-worker\"") "end\n", CSB_ACTIVITY_BUSY);
    check("session 7 1 {\"kind\":\"daemon-worker\"}\nend\n", CSB_ACTIVITY_NONE);
}
END_TEST

START_TEST(words_that_are_none) {
    static const char *const texts[] = {
        "",
        "end",
        "session 7 1 {}",
        "session 7 1 {}\n",
        "session\nend\n",
        "session 7\nend\n",
        "session -7 1 {}\nend\n",
        "session 99999999999999999999 1 {}\nend\n",
        "session 7 1{}\nend\n",
        "claude 7 x\nend\n",
        "claude  7 1\nend\n",
        "\nend\n",
        "Welcome!\nend\n",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        CSB__AUTOERROR csb_error *e = NULL;
        int activity = -1;

        ck_assert_msg(csb__activity_parse(texts[i], strlen(texts[i]), &activity, &e) ==
                          CSB_EPROTOCOL,
                      "%s", texts[i]);
        test_check_error(e, CSB_EPROTOCOL, "does not tell");
        ck_assert_int_eq(activity, -1);
    }
}
END_TEST

START_TEST(more_than_anybody_has) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    int activity = -1;

    for (int i = 0; i < 256; i++) {
        csb__strbuf_printf(&text, "claude %d 1\n", i);
    }
    csb__strbuf_puts(&text, "end\n");
    ck_assert_int_eq(csb__activity_parse(text.data, text.len, &activity, NULL), 0);
    csb__strbuf_free(&text);
    for (int i = 0; i < 257; i++) {
        csb__strbuf_printf(&text, "claude %d 1\n", i);
    }
    csb__strbuf_puts(&text, "end\n");
    ck_assert_int_eq(csb__activity_parse(text.data, text.len, &activity, NULL), CSB_EPROTOCOL);
    /* As deep as the parser goes, and deeper. */
    csb__strbuf_free(&text);
    csb__strbuf_puts(&text, "session 7 1 {\"status\":");
    for (int i = 0; i < 100000; i++) {
        csb__strbuf_puts(&text, "[");
    }
    csb__strbuf_puts(&text, "\nend\n");
    ck_assert_int_eq(csb__activity_parse(text.data, text.len, &activity, NULL), 0);
    ck_assert_int_eq(activity, CSB_ACTIVITY_BUSY);
    /* A NUL is no end of anything. */
    ck_assert_int_eq(csb__activity_parse("end\0\n", 5, &activity, NULL), CSB_EPROTOCOL);
}
END_TEST

/* ---- the script, in a guest that is a directory ---- */

static void make_dir(const char *root, const char *name) {
    CSB__AUTOFREE char *path = test_join(root, name);

    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void write_in(const char *root, const char *name, const char *text) {
    CSB__AUTOFREE char *path = test_join(root, name);

    test_write(path, text, 0600);
}

static void make_process(const char *root, const char *pid, const char *name, const char *state,
                         const char *parent, const char *start) {
    char path[64];
    char text[256];

    snprintf(path, sizeof(path), "proc/%s", pid);
    make_dir(root, path);
    snprintf(path, sizeof(path), "proc/%s/comm", pid);
    snprintf(text, sizeof(text), "%s\n", name);
    write_in(root, path, text);
    snprintf(path, sizeof(path), "proc/%s/stat", pid);
    snprintf(text, sizeof(text),
             "%s (%s) %s %s 5 5 0 -1 4194304 1 0 0 0 11 12 0 0 20 0 13 0 %s 1 2 3\n", pid, name,
             state, parent, start);
    write_in(root, path, text);
    snprintf(path, sizeof(path), "proc/%s/environ", pid);
    write_in(root, path, "");
}

/* What it says, to be freed; its /proc is below root, as its home is. */
static char *run_script(const char *root) {
    TEST_AUTOENV env;
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF moved = CSB__STRBUF_INIT;
    CSB__AUTORESULT r = {0};

    test_env(&env);
    csb__activity_script(&script);
    csb__strbuf_printf(&moved, "HOME=%s/home; export HOME; ", root);
    for (const char *p = csb__strbuf_text(&script); *p; p++) {
        if (strncmp(p, "/proc/", 6) == 0) {
            csb__strbuf_puts(&moved, root);
        }
        csb__strbuf_add(&moved, p, 1);
    }
    ck_assert_int_eq(test_sh(&env, csb__strbuf_text(&moved), &r, NULL), 0);
    ck_assert_int_eq(r.status, 0);
    ck_assert_str_eq(csb__strbuf_text(&r.errout), "");
    return csb__strbuf_detach(&r.out);
}

static char *make_guest(void) {
    char *root = test_dir();

    make_dir(root, "proc");
    make_dir(root, "home");
    return root;
}

START_TEST(a_guest_without_claude) {
    CSB__AUTOFREE char *root = make_guest();
    CSB__AUTOFREE char *said = NULL;

    make_process(root, "1", "systemd", "S", "0", "3");
    make_process(root, "30", "claude) (x", "S", "0", "3");
    said = run_script(root);
    ck_assert_str_eq(said, "end\n");
}
END_TEST

START_TEST(what_a_guest_tells) {
    CSB__AUTOFREE char *root = make_guest();
    CSB__AUTOFREE char *said = NULL;

    make_dir(root, "home/.claude");
    make_dir(root, "home/.claude/sessions");
    /* Two that live, one of them with a name that looks like the end of another; one that does not;
     * a corpse; and what is no session. */
    make_process(root, "40", "claude", "S", "1", "100");
    write_in(root, "home/.claude/sessions/40.json",
             "{\"procStart\":\"100\",\n\"status\":\"idle\"}");
    make_process(root, "41", "x) S 1", "R", "40", "101");
    write_in(root, "home/.claude/sessions/41.json", "{\"status\":\"busy\"}\n");
    write_in(root, "home/.claude/sessions/42.json", "{\"status\":\"busy\"}");
    make_process(root, "43", "claude", "Z", "1", "103");
    write_in(root, "home/.claude/sessions/43.json", "{\"status\":\"busy\"}");
    write_in(root, "home/.claude/sessions/40.abc.key", "secret");
    write_in(root, "home/.claude/sessions/x.json", "{}");
    make_dir(root, "home/.claude/sessions/1.json");
    make_process(root, "1", "init", "S", "0", "1");
    make_process(root, "50", "claude", "S", "40", "110");
    said = run_script(root);
    ck_assert_str_eq(said, "session 40 100 {\"procStart\":\"100\", \"status\":\"idle\"}\n"
                           "session 41 101 {\"status\":\"busy\"} \n"
                           "claude 50 40\n"
                           "end\n");
    check(said, CSB_ACTIVITY_BUSY);
}
END_TEST

START_TEST(one_that_keeps_its_files_elsewhere) {
    CSB__AUTOFREE char *root = make_guest();
    CSB__AUTOFREE char *said = NULL;
    CSB__AUTOFREE char *path = test_join(root, "proc/40/environ");
    char text[512];
    FILE *f;

    make_dir(root, "my config");
    make_dir(root, "my config/sessions");
    write_in(root, "my config/sessions/40.json", "{\"status\":\"waiting\"}");
    make_process(root, "40", "claude", "S", "1", "100");
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    snprintf(text, sizeof(text), "%s/my config", root);
    ck_assert_int_ge(fprintf(f, "A=1%cCLAUDE_CONFIG_DIR=%s%cB=2%c", 0, text, 0, 0), 0);
    fclose(f);
    said = run_script(root);
    ck_assert_str_eq(said, "session 40 100 {\"status\":\"waiting\"}\nend\n");
}
END_TEST

/* ---- the public call ---- */

START_TEST(a_machine_is_asked) {
    static const struct test_answer answers[] = {{0}, {.out = ONE("waiting")}};
    CSB__AUTOERROR csb_error *e = NULL;
    AUTOVM f;
    int activity = -1;

    fake_vm_make(&f, answers, 2);
    ck_assert_int_eq(csb_vm_activity(&f.vm, &activity, &e), CSB_ESTATE);
    ck_assert_uint_eq(f.runner.n_calls, 0);
    fake_vm_run(&f);
    ck_assert_int_eq(csb_vm_activity(&f.vm, &activity, NULL), 0);
    ck_assert_int_eq(activity, CSB_ACTIVITY_WAITING);
    ck_assert_uint_eq(f.runner.n_calls, 2);
}
END_TEST

START_TEST(a_machine_that_does_not_answer) {
    static const struct test_answer answers[] = {{0}, {.status = 255, .errout = "gone\n"}};
    CSB__AUTOERROR csb_error *e = NULL;
    AUTOVM f;
    int activity = -1;

    fake_vm_make(&f, answers, 2);
    fake_vm_run(&f);
    ck_assert_int_eq(csb_vm_activity(&f.vm, &activity, &e), CSB_EENGINE);
    ck_assert_int_eq(activity, -1);
}
END_TEST

Suite *activity_suite(void);
Suite *activity_suite(void) {
    Suite *s = suite_create("activity");
    TCase *tc = test_case(s, "activity");

    tcase_add_test(tc, what_a_session_says);
    tcase_add_test(tc, a_number_used_anew_is_another_process);
    tcase_add_test(tc, of_several_the_busiest_counts);
    tcase_add_test(tc, a_process_without_a_session);
    tcase_add_test(tc, words_that_are_none);
    tcase_add_test(tc, more_than_anybody_has);
    tcase_add_test(tc, a_guest_without_claude);
    tcase_add_test(tc, what_a_guest_tells);
    tcase_add_test(tc, one_that_keeps_its_files_elsewhere);
    tcase_add_test(tc, a_machine_is_asked);
    tcase_add_test(tc, a_machine_that_does_not_answer);
    return s;
}
