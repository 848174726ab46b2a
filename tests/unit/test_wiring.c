/* SPDX-License-Identifier: MIT */
#include "guest/wiring.h"

#include <claudesandbox/claude.h>

#include <jansson.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "fake_vm.h"
#include "support.h"

static json_t *settings(void) {
    CSB__AUTOFREE char *text = csb__wiring_settings();
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    ck_assert_msg(json, "%s", text);
    return json;
}

static bool is_hooked(json_t *event, const char *argument, int at_least) {
    static const char path[] = "/usr/local/lib/claude-sandbox/hook.sh";
    const char *type = "";
    const char *command = "";
    int timeout = 0;

    json_unpack(event, "[{s:[{s:s, s:s, s:i}]}]", "hooks", "type", &type, "command", &command,
                "timeout", &timeout);
    return strcmp(type, "command") == 0 && timeout > at_least &&
           strncmp(command, path, strlen(path)) == 0 &&
           strcmp(command + strlen(path), argument) == 0;
}

START_TEST(events_have_the_hook) {
    static const char *const wanted[] = {"Notification", "PermissionRequest", "PreToolUse",
                                         "SessionStart", "SessionEnd",        "Stop",
                                         "StopFailure",  "UserPromptSubmit"};
    json_t *json = settings();
    const json_t *hooks = json_object_get(json, "hooks");

    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
        bool asks = strcmp(wanted[i], "PermissionRequest") == 0;

        ck_assert_msg(is_hooked(json_object_get(hooks, wanted[i]), asks ? " PermissionRequest" : "",
                                asks ? 595 : 5),
                      "%s", wanted[i]);
    }
    /* This one's hook does the work instead of watching it. */
    ck_assert_ptr_null(json_object_get(hooks, "WorktreeCreate"));
    json_decref(json);
}
END_TEST

/* Runs the script in a guest whose files are in a directory here. */
static void install(const char *root, struct csb__run_result *r) {
    static const char *const places[] = {"/usr/local/lib", "/etc/claude-code"};
    TEST_AUTOENV env;
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    const char *at;

    csb__wiring_script(&script);
    csb__strbuf_printf(&text, "set -u; sudo() { echo \"$@\" >>%s/log; \"$@\"; }\n", root);
    for (at = csb__strbuf_text(&script); *at; at++) {
        for (size_t i = 0; i < 2; i++) {
            if (strncmp(at, places[i], strlen(places[i])) == 0) {
                csb__strbuf_puts(&text, root);
            }
        }
        csb__strbuf_add(&text, at, 1);
    }
    test_env(&env);
    ck_assert_int_eq(test_sh(&env, text.data, r, NULL), 0);
    ck_assert_msg(r->status == 0 && r->errout.len == 0, "%s", csb__strbuf_text(&r->errout));
}

START_TEST(it_is_installed_once) {
    CSB__AUTOFREE char *root = test_dir();
    CSB__AUTOFREE char *log = test_join(root, "log");
    CSB__AUTOFREE char *hook = test_join(root, "usr/local/lib/claude-sandbox/hook.sh");
    CSB__AUTOFREE char *json = test_join(
        root, "etc/claude-code/managed-settings.d/50-claude-sandbox.json");
    CSB__AUTOFREE char *text = NULL;
    CSB__AUTORESULT r = {0};
    CSB__AUTORESULT again = {0};
    CSB__AUTORESULT mended = {0};
    struct stat st;

    install(root, &r);
    ck_assert_int_eq(stat(hook, &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0755);
    ck_assert_int_eq(stat(json, &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0644);
    text = test_read(json);
    ck_assert_ptr_nonnull(strstr(text, "\"PreToolUse\""));
    free(text);
    text = test_read(hook);
    ck_assert_int_eq(strncmp(text, "#!/bin/sh\n", 10), 0);
    ck_assert_ptr_nonnull(strstr(text, "\nexit 0\n"));
    /* Nothing to do the second time. */
    unlink(log);
    install(root, &again);
    ck_assert(!test_exists(log));
    /* What somebody changed is put right. */
    test_write(hook, "#!/bin/sh\n", 0755);
    install(root, &mended);
    free(text);
    text = test_read(hook);
    ck_assert_ptr_nonnull(strstr(text, "curl"));
}
END_TEST

/* As ssh sees it: a place, then the forward. */
static const struct test_answer carried[] = {
    {.status = 0}, {.out = "/dev/shm/claude-sandbox-1000\n"}, {.status = 0}};

START_TEST(claude_is_told_of_the_socket) {
    AUTOVM f;
    csb_exit done;
    const char *text;

    fake_vm_make(&f, carried, 3);
    fake_vm_run(&f);
    ck_assert_int_eq(csb_vm_exec_claude(&f.vm, NULL, &done, NULL), 0);
    ck_assert(test_has_words(&f.runner.calls[2].argv, "-O", "forward", "-R", NULL));
    text = f.runner.calls[2].argv.items[f.runner.calls[2].argv.len - 2];
    ck_assert_ptr_eq(strstr(text, "/dev/shm/claude-sandbox-1000/hooks.sock:"), text);
    ck_assert_ptr_nonnull(strstr(text, "/run/hooks/"));
    text = f.runner.calls[f.runner.n_calls - 2].input;
    ck_assert_ptr_nonnull(
        strstr(text, "export CLAUDE_HOOKS_SOCKET='/dev/shm/claude-sandbox-1000/hooks.sock'\n"));
}
END_TEST

/* An ssh master of which no more is needed than that it is there. */
static int be_master(const char *path) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    ck_assert_uint_lt(strlen(path), sizeof(addr.sun_path));
    strcpy(addr.sun_path, path);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(listen(fd, 5), 0);
    return fd;
}

START_TEST(a_connection_is_armed_once) {
    AUTOVM f;
    csb_exit done;
    size_t first;
    int master;

    fake_vm_make(&f, carried + 1, 2);
    fake_vm_run(&f);
    master = be_master(f.control);
    ck_assert_int_eq(csb_vm_exec_claude(&f.vm, NULL, &done, NULL), 0);
    ck_assert_pstr_eq(f.vm.hooks_socket, "/dev/shm/claude-sandbox-1000/hooks.sock");
    first = f.runner.n_calls;
    ck_assert_int_eq(csb_vm_exec_claude(&f.vm, NULL, &done, NULL), 0);
    /* Neither the place nor the forward is asked for again. */
    ck_assert_uint_eq(f.runner.n_calls - first, first - 2);
    ck_assert_pstr_eq(f.vm.hooks_socket, "/dev/shm/claude-sandbox-1000/hooks.sock");
    close(master);
}
END_TEST

START_TEST(the_callers_own_socket_counts) {
    static const char *const env[] = {"CLAUDE_HOOKS_SOCKET=/mine", NULL};
    csb_claude_options o = CSB_CLAUDE_OPTIONS_INIT;
    AUTOVM f;
    csb_exit done;
    const char *text;

    fake_vm_make(&f, carried, 3);
    fake_vm_run(&f);
    o.env = env;
    ck_assert_int_eq(csb_vm_exec_claude(&f.vm, &o, &done, NULL), 0);
    text = f.runner.calls[f.runner.n_calls - 2].input;
    ck_assert_ptr_nonnull(strstr(text, "export CLAUDE_HOOKS_SOCKET='/mine'\n"));
    ck_assert_ptr_null(strstr(text, "hooks.sock"));
}
END_TEST

Suite *wiring_suite(void);
Suite *wiring_suite(void) {
    Suite *s = suite_create("wiring");
    TCase *tc = test_case(s, "wiring");

    tcase_add_test(tc, events_have_the_hook);
    tcase_add_test(tc, it_is_installed_once);
    tcase_add_test(tc, claude_is_told_of_the_socket);
    tcase_add_test(tc, a_connection_is_armed_once);
    tcase_add_test(tc, the_callers_own_socket_counts);
    return s;
}
