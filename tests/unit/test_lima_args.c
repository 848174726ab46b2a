/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "engine/lima/args.h"

static void make_spec(struct csb__spec *spec) {
    *spec = (struct csb__spec){.name = strdup("vm")};
}

static void mount_point(const char *guest, size_t index, bool differs, const char *point) {
    char host[] = "/host";
    char *path = strdup(guest);
    struct csb__mount m = {host, path, true};
    char out[256];

    ck_assert_msg(csb__lima_mount_point(&m, index, out, sizeof(out)) == differs, "%s", guest);
    ck_assert_str_eq(out, point);
    free(path);
}

START_TEST(plain_paths_are_mounted_where_they_belong) {
    mount_point("/home/u/my-project_1.x", 0, false, "/home/u/my-project_1.x");
    mount_point("/home/u/c++/a@b~", 7, false, "/home/u/c++/a@b~");
    mount_point("/mnt/claude-settings", 1, false, "/mnt/claude-settings");
}
END_TEST

START_TEST(odd_paths_get_a_place_of_ours) {
    static const char *const odd[] = {
        "/a b", "/a\"b",       "/a'b",  "/a,b", "/a#b", "/a[b", "/a{b", "/a:b", "/a\\b", "/a\tb",
        "/ü",   "/a{{.Name}}", "/a\nb", "/a*",  "/a&b", "/a$b", "/a%b", "/a=b", NULL};

    for (int i = 0; odd[i]; i++) {
        mount_point(odd[i], 3, true, "/mnt/claude-sandbox/3");
    }
    /* Else it could be in the way of one of those. */
    mount_point("/mnt/claude-sandbox/3", 0, true, "/mnt/claude-sandbox/0");
    mount_point("/mnt/claude-sandbox", 12, true, "/mnt/claude-sandbox/12");
}
END_TEST

START_TEST(paths_that_qemu_misreads_are_refused) {
    static const char *const bad[] = {"/a,b", "/{{.Name}}", "/x/{{", NULL};
    static const char *const good[] = {"/a b", "/späce & ünï 'q'", "/a\"b", "/a#[]{}:=%;$\\", NULL};

    for (int i = 0; bad[i]; i++) {
        struct csb__spec spec;
        csb_error *err = NULL;

        make_spec(&spec);
        ck_assert_int_eq(csb__spec_add_mount(&spec, "/fine", "/fine", true, NULL), 0);
        ck_assert_int_eq(csb__spec_add_mount(&spec, bad[i], "/p", true, NULL), 0);
        ck_assert_int_eq(csb__lima_check_mounts(&spec, &err), CSB_EINVAL);
        ck_assert_ptr_nonnull(strstr(csb_error_message(err), bad[i]));
        ck_assert_str_ne(csb_error_hint(err), "");
        csb_error_free(err);
        csb__spec_finish(&spec);
    }
    for (int i = 0; good[i]; i++) {
        struct csb__spec spec;

        make_spec(&spec);
        ck_assert_int_eq(csb__spec_add_mount(&spec, good[i], "/p", true, NULL), 0);
        ck_assert_int_eq(csb__lima_check_mounts(&spec, NULL), 0);
        csb__spec_finish(&spec);
    }
}
END_TEST

/* The JSON behind `PATH = ("...` in an expression. */
static json_t *value_of(const char *expression, const char *path) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                 "0123456789+/";
    char *start = NULL;
    char text[4096];
    size_t n = 0;
    unsigned bits = 0;
    int have = 0;
    json_t *json;

    ck_assert_int_gt(asprintf(&start, "%s = (\"", path), 0);
    for (const char *p = strstr(expression, start) + strlen(start); *p != '"'; p++) {
        const char *digit = strchr(digits, *p);

        if (*p == '=') {
            continue;
        }
        ck_assert_ptr_nonnull(digit);
        bits = bits << 6 | (unsigned)(digit - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            text[n++] = (char)(bits >> have & 255);
        }
    }
    free(start);
    json = json_loadb(text, n, JSON_DECODE_ANY, NULL);
    ck_assert_ptr_nonnull(json);
    return json;
}

static void check_mounts_json(const char *host, const char *guest) {
    struct csb__spec spec;
    char *expression;
    json_t *json;
    const json_t *first;

    make_spec(&spec);
    ck_assert_int_eq(csb__spec_add_mount(&spec, host, guest, true, NULL), 0);
    ck_assert_int_eq(csb__spec_add_mount(&spec, "/s", "/mnt/claude-settings", false, NULL), 0);
    expression = csb__lima_expression(&spec);
    ck_assert_ptr_nonnull(expression);
    ck_assert_ptr_null(strstr(expression, host));
    json = value_of(expression, ".mounts");
    ck_assert_uint_eq(json_array_size(json), 2);
    first = json_array_get(json, 0);
    ck_assert_str_eq(csb__json_string(first, "location", ""), host);
    ck_assert(json_is_true(json_object_get(first, "writable")));
    ck_assert_str_eq(csb__json_string(json_object_get(first, "9p"), "cache", ""), "mmap");
    ck_assert(json_is_false(json_object_get(json_array_get(json, 1), "writable")));
    ck_assert_str_eq(csb__json_string(json_array_get(json, 1), "mountPoint", ""),
                     "/mnt/claude-settings");
    json_decref(json);
    free(expression);
    csb__spec_finish(&spec);
}

START_TEST(user_data_goes_through_base64) {
    check_mounts_json("/späce & ünï 'q'", "/späce & ünï 'q'");
    check_mounts_json("/a\") | .cpus = 99 | (\"", "/p");
    check_mounts_json("/\\(.x) \\u0041 \"", "/p");
    check_mounts_json("/a", "/p");
    check_mounts_json("/ab", "/p");
    check_mounts_json("/abc", "/p");
}
END_TEST

START_TEST(the_core_is_always_there) {
    static const char *const core[] = {".mounts = (\"W10=\" | @base64d | @jsond)",
                                       " | .ssh.forwardAgent = false",
                                       " | .ssh.loadDotSSHPubKeys = false",
                                       " | .ssh.forwardX11 = false",
                                       " | .containerd.system = false",
                                       " | .containerd.user = false",
                                       " | .propagateProxyEnv = false",
                                       " | .mountInotify = false",
                                       " | .plain = false",
                                       " | .copyToHost = []",
                                       " | .ssh.localPort = 0",
                                       " | .mountType = \"",
                                       NULL};
    struct csb__spec spec;
    char *expression;
    json_t *rules;

    make_spec(&spec);
    expression = csb__lima_expression(&spec);
    for (int i = 0; core[i]; i++) {
        ck_assert_msg(strstr(expression, core[i]) != NULL, "%s", core[i]);
    }
    ck_assert_ptr_null(strstr(expression, ".cpus"));
    ck_assert_ptr_null(strstr(expression, ".memory"));
    ck_assert_ptr_null(strstr(expression, ".disk"));
    ck_assert_ptr_null(strstr(expression, "sshfs"));
    rules = value_of(expression, ".portForwards");
    ck_assert_uint_eq(json_array_size(rules), 1);
    ck_assert(json_is_true(json_object_get(json_array_get(rules, 0), "ignore")));
    ck_assert(json_is_false(json_object_get(json_array_get(rules, 0), "guestIPMustBeZero")));
    json_decref(rules);
    free(expression);
    csb__spec_finish(&spec);
}
END_TEST

START_TEST(sizes_are_said_when_asked_for) {
    struct csb__spec spec;
    char *expression;

    make_spec(&spec);
    spec.cpus = 3;
    spec.memory = UINT64_C(4) << 30;
    spec.disk = UINT64_C(30000) << 20;
    expression = csb__lima_expression(&spec);
    ck_assert_ptr_nonnull(strstr(expression, " | .cpus = 3 | .memory = \"4GiB\""
                                             " | .disk = \"30000MiB\""));
    free(expression);
    spec.memory = (UINT64_C(4) << 30) + 1;
    expression = csb__lima_expression(&spec);
    ck_assert_ptr_nonnull(strstr(expression, ".memory = \"4294967297\""));
    free(expression);
    csb__spec_finish(&spec);
}
END_TEST

static void check_args(struct csb__strv *args, const char *joined) {
    CSB__AUTOSTRBUF sb = CSB__STRBUF_INIT;

    for (size_t i = 0; i < args->len; i++) {
        csb__strbuf_printf(&sb, "%s%s", i ? "|" : "", args->items[i]);
    }
    ck_assert_str_eq(csb__strbuf_text(&sb), joined);
    csb__strv_free(args);
}

START_TEST(the_verbs) {
    struct csb__spec spec;
    struct csb__strv args = CSB__STRV_INIT;
    const char *names[] = {"a", "b"};

    make_spec(&spec);
    csb__lima_create_args(&args, &spec, "EXPR", "/t.yaml");
    check_args(&args, "create|--tty=false|--name|vm|--set|EXPR|/t.yaml");
    csb__lima_clone_args(&args, &spec, "EXPR", "base");
    check_args(&args, "clone|--tty=false|--set|EXPR|base|vm");
    csb__lima_start_args(&args, "vm");
    check_args(&args, "start|--tty=false|--timeout|1h|vm");
    csb__lima_verb_args(&args, "stop", "vm");
    check_args(&args, "stop|--tty=false|vm");
    csb__lima_rename_args(&args, "vm", "new");
    check_args(&args, "rename|--tty=false|vm|new");
    csb__lima_config_args(&args, "vm");
    check_args(&args, "list|--format|{{json .Config}}|vm");
    csb__lima_list_args(&args, names, 2);
    ck_assert_uint_eq(args.len, 5);
    ck_assert_str_eq(args.items[3], "a");
    ck_assert_ptr_nonnull(strstr(args.items[2], "{{json $e.Error}}"));
    csb__strv_free(&args);
    csb__spec_finish(&spec);
}
END_TEST

Suite *lima_args_suite(void);

Suite *lima_args_suite(void) {
    Suite *s = suite_create("lima_args");
    TCase *tc = tcase_create("all");

    tcase_add_test(tc, plain_paths_are_mounted_where_they_belong);
    tcase_add_test(tc, odd_paths_get_a_place_of_ours);
    tcase_add_test(tc, paths_that_qemu_misreads_are_refused);
    tcase_add_test(tc, user_data_goes_through_base64);
    tcase_add_test(tc, the_core_is_always_there);
    tcase_add_test(tc, sizes_are_said_when_asked_for);
    tcase_add_test(tc, the_verbs);
    suite_add_tcase(s, tc);
    return s;
}
