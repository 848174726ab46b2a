/* SPDX-License-Identifier: MIT */
#include "event_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event_history.h"
#include "support.h"

#define WHEN "2026-11-24T10:02:11.123Z"

static char *print(const char *json, bool as_json) {
    json_t *event = json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    struct event_words words;
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    ck_assert_msg(event != NULL, "%s", json);
    event_words(event, &words);
    if (as_json) {
        ck_assert_int_eq(event_print_json(f, WHEN, "web", &words), 0);
    } else {
        event_print(f, WHEN, "web", &words);
    }
    fclose(f);
    json_decref(event);
    return text;
}

static void check(const char *json, const char *expected) {
    char *line = print(json, false);
    const char *words = strstr(line, "  web  ");

    ck_assert_msg(words && strcmp(words + 7, expected) == 0, "%s is not %s", line, expected);
    free(line);
}

START_TEST(in_words) {
    check("{\"hook_event_name\":\"SessionStart\",\"source\":\"startup\"}", "started: startup\n");
    check("{\"hook_event_name\":\"UserPromptSubmit\",\"prompt\":\"Fix\\nthe tests\"}",
          "working: Fix the tests\n");
    check("{\"hook_event_name\":\"PreToolUse\",\"tool_name\":\"Bash\","
          "\"tool_input\":{\"description\":\"d\",\"command\":\"make test\"}}",
          "working: Bash `make test`\n");
    check("{\"hook_event_name\":\"PreToolUse\",\"tool_name\":\"TodoWrite\","
          "\"tool_input\":{\"todos\":[]}}",
          "working: TodoWrite\n");
    check("{\"hook_event_name\":\"PermissionRequest\",\"tool_name\":\"Edit\","
          "\"tool_input\":{\"file_path\":\"/p/a.c\"}}",
          "waits for you: permission to use Edit `/p/a.c`\n");
    check("{\"hook_event_name\":\"Notification\",\"notification_type\":\"permission_prompt\","
          "\"message\":\"Claude needs your permission\"}",
          "waits for you: Claude needs your permission\n");
    check("{\"hook_event_name\":\"Notification\",\"notification_type\":\"idle_prompt\","
          "\"message\":\"Claude is waiting for your input\"}",
          "done: Claude is waiting for your input\n");
    check("{\"hook_event_name\":\"Notification\",\"notification_type\":\"of later\","
          "\"message\":\"Hello\"}",
          "says: Hello\n");
    check("{\"hook_event_name\":\"Stop\",\"last_assistant_message\":\"All pass.\"}",
          "done: All pass.\n");
    check("{\"hook_event_name\":\"Stop\"}", "done\n");
    check("{\"hook_event_name\":\"StopFailure\",\"error\":\"server_error\"}",
          "failed: server_error\n");
    check("{\"hook_event_name\":\"StopFailure\",\"error\":\"unknown\","
          "\"last_assistant_message\":\"API Error: 400\"}",
          "failed: API Error: 400\n");
    check("{\"hook_event_name\":\"PermissionRequest\",\"tool_name\":\"AskUserQuestion\","
          "\"tool_input\":{\"questions\":[{\"question\":\"Red or blue?\"}]}}",
          "waits for you: Red or blue?\n");
    check("{\"hook_event_name\":\"PermissionRequest\",\"tool_name\":\"AskUserQuestion\"}",
          "waits for you: permission to use AskUserQuestion\n");
    check("{\"hook_event_name\":\"SessionEnd\",\"reason\":\"other\"}", "ended: other\n");
    check("{\"hook_event_name\":\"SubagentStart\",\"agent_type\":\"Explore\"}",
          "working: subagent Explore\n");
    check("{\"hook_event_name\":\"PreCompact\",\"trigger\":\"auto\"}",
          "working: compacts the conversation\n");
}
END_TEST

/* Whatever a guest likes to send. */
START_TEST(what_is_no_event) {
    static const char *const texts[] = {
        "null", "[]", "1", "{}", "{\"hook_event_name\":7}", "{\"hook_event_name\":\"Unknown\"}"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        json_t *event = json_loads(texts[i], JSON_DECODE_ANY, NULL);
        struct event_words words;

        event_words(event, &words);
        ck_assert(!words.matters && !words.state && words.name && !*words.text);
        json_decref(event);
    }
    event_words(NULL, &(struct event_words){0});
    check("{\"hook_event_name\":\"PreToolUse\",\"tool_name\":[],\"tool_input\":\"x\"}",
          "working\n");
    check("{\"hook_event_name\":\"Stop\",\"last_assistant_message\":{\"a\":1}}", "done\n");
}
END_TEST

#define PRINTABLE                                                                                  \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 "                              \
    "\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}"

START_TEST(nothing_that_a_terminal_obeys) {
    static const char hostile[] =
        "{\"hook_event_name\":\"PreToolUse\",\"tool_name\":\"B\\u001b[2J\\u009b\","
        "\"session_id\":\"\\u0007\\u202e\",\"tool_input\":{\"command\":"
        "\"\\u001b]0;x\\u0007\\u007f\\u009d\\u202ea\\r\\u0000b\"}}";
    char *line = print(hostile, false);
    char *json = print(hostile, true);
    json_t *parsed = json_loads(json, 0, NULL);

    ck_assert_ptr_nonnull(strstr(line, "  web  working: B?[2J? `?]0;x????a `\n"));
    ck_assert_uint_eq(strspn(json, PRINTABLE), strlen(json) - 1);
    ck_assert_ptr_nonnull(parsed);
    ck_assert_uint_eq(json_string_length(json_object_get(parsed, "session")), 4);
    json_decref(parsed);
    free(json);
    free(line);
}
END_TEST

START_TEST(as_json) {
    char *line = print("{\"hook_event_name\":\"PreToolUse\",\"tool_name\":\"Bash\","
                       "\"session_id\":\"s\",\"tool_input\":{\"command\":\"echo é\"}}",
                       true);

    ck_assert_str_eq(line,
                     "{\"time\":\"" WHEN "\",\"vm\":\"web\",\"event\":\"PreToolUse\",\"state\":"
                     "\"working\",\"session\":\"s\",\"tool\":\"Bash\",\"text\":\"echo é\"}\n");
    free(line);
    line = print("{}", true);
    ck_assert_str_eq(line, "{\"time\":\"" WHEN "\",\"vm\":\"web\",\"event\":\"\",\"state\":null,"
                           "\"session\":null,\"tool\":null,\"text\":null}\n");
    free(line);
}
END_TEST

START_TEST(long_words_are_cut) {
    CSB__AUTOSTRBUF json = CSB__STRBUF_INIT;
    char *line;

    csb__strbuf_puts(&json, "{\"hook_event_name\":\"PreToolUse\",\"session_id\":\"");
    for (int i = 0; i < 100000; i++) {
        csb__strbuf_puts(&json, "é");
    }
    csb__strbuf_puts(&json, "\",\"tool_name\":\"");
    for (int i = 0; i < 100000; i++) {
        csb__strbuf_puts(&json, "é");
    }
    csb__strbuf_puts(&json, "\",\"tool_input\":{\"command\":\"");
    for (int i = 0; i < 100000; i++) {
        csb__strbuf_puts(&json, "\xc2\x9b");
    }
    csb__strbuf_puts(&json, "\"}}");
    line = print(json.data, false);
    ck_assert_uint_lt(strlen(line), 1000);
    free(line);
    line = print(json.data, true);
    ck_assert_uint_lt(strlen(line), 2000);
    ck_assert_ptr_nonnull(strstr(line, "\\u009b...\"}\n"));
    free(line);
}
END_TEST

/* ---- the log ---- */

struct seen {
    char text[256];
};

/* Takes those of the VM "web". */
static bool see(const char *when, const char *vm, const json_t *event, void *userdata) {
    struct seen *s = userdata;
    const char *name = json_string_value(json_object_get(event, "hook_event_name"));
    bool taken = strcmp(vm, "web") == 0;

    (void)when;
    if (taken) {
        strncat(s->text, name ? name : "-", 16);
    }
    return taken;
}

#define ENTRY(vm, name)                                                                            \
    "{\"time\":\"" WHEN "\",\"vm\":\"" vm "\",\"bytes\":1,\"event\":{\"hook_event_name\":\"" name  \
    "\"}}\n"

static void check_read(const char *state_dir, size_t n, const char *expected) {
    struct seen s = {""};

    event_history_read(state_dir, n, see, &s);
    ck_assert_str_eq(s.text, expected);
}

START_TEST(the_log_backwards) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *log = test_join(dir, "log");
    CSB__AUTOFREE char *older = test_join(log, "events-2026-11-23.jsonl");
    CSB__AUTOFREE char *full = test_join(log, "events-2026-11-24.1.jsonl");
    CSB__AUTOFREE char *newest = test_join(log, "events-2026-11-24.jsonl");
    CSB__AUTOFREE char *others = test_join(log, "claude-hooks-server.log");

    check_read(dir, 9, "");
    ck_assert_int_eq(mkdir(log, 0700), 0);
    check_read(dir, 9, "");
    test_write(older, ENTRY("web", "a"), 0600);
    test_write(full, ENTRY("web", "b") ENTRY("db", "x") ENTRY("web", "c"), 0600);
    /* With what a crash, another program or an event that was too long leaves. */
    test_write(
        newest,
        "\n\nnonsense\n[]\n{}\n{\"time\":1,\"vm\":\"web\"}\n" ENTRY(
            "web",
            "d") "{\"time\":\"x\",\"vm\":\"web\",\"bytes\":9,\"event\":null}\n" ENTRY("web",
                                                                                      "e") "{\"time"
                                                                                           "\":"
                                                                                           "\"2026-"
                                                                                           "11-"
                                                                                           "24T1",
        0600);
    test_write(others, ENTRY("web", "z"), 0600);
    check_read(dir, 9, "e-dcba");
    check_read(dir, 4, "e-dc");
    check_read(dir, 0, "");
    unlink(newest);
    ck_assert_int_eq(symlink(older, newest), 0);
    check_read(dir, 9, "cba");
    unlink(newest);
    ck_assert_int_eq(mkfifo(newest, 0600), 0);
    check_read(dir, 9, "cba");
}
END_TEST

Suite *event_words_suite(void);
Suite *event_words_suite(void) {
    Suite *s = suite_create("event_words");
    TCase *tc = test_case(s, "event_words");

    tcase_add_test(tc, in_words);
    tcase_add_test(tc, what_is_no_event);
    tcase_add_test(tc, nothing_that_a_terminal_obeys);
    tcase_add_test(tc, as_json);
    tcase_add_test(tc, long_words_are_cut);
    tcase_add_test(tc, the_log_backwards);
    return s;
}
