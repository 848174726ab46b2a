/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "engine/lima/parse.h"

#define RECORD(name, more) "{\"name\":\"" name "\"" more "}\n"

static int parse(const char *text, struct csb__lima_list *ret) {
    return csb__lima_parse_list(text, strlen(text), ret, NULL);
}

START_TEST(a_list_as_limactl_writes_it) {
    /* tests/data/limactl: a stopped machine, and one whose lima.yaml is broken. */
    static const char text[] =
        "{\"name\":\"base\",\"status\":\"Stopped\",\"dir\":\"/L/base\",\"vmType\":\"qemu\","
        "\"arch\":\"x86_64\",\"cpus\":2,\"memory\":2147483648,\"disk\":6442450944,"
        "\"sshLocalPort\":0,\"sshConfigFile\":\"/L/base/ssh.config\",\"hostAgentPID\":0,"
        "\"driverPID\":0,\"protected\":false,\"limaVersion\":\"2.2.0\",\"errors\":[]}\n"
        "{\"name\":\"p1\",\"status\":\"\",\"dir\":\"/L/p1\",\"vmType\":\"\",\"arch\":\"\","
        "\"cpus\":0,\"memory\":0,\"disk\":0,\"sshLocalPort\":0,\"sshConfigFile\":\"\","
        "\"hostAgentPID\":0,\"driverPID\":0,\"protected\":false,\"limaVersion\":\"\","
        "\"errors\":[\"failed to unmarshal YAML: [1:7] not found\\n\\u003e 1 | cpus: [\","
        "\"second\"]}\n";
    CSB__AUTOLIMALIST list = {NULL, 0};
    const struct csb__lima_record *r;

    ck_assert_int_eq(parse(text, &list), 0);
    ck_assert_uint_eq(list.n, 2);
    r = csb__lima_list_find(&list, "base");
    ck_assert_str_eq(r->status, "Stopped");
    ck_assert_str_eq(r->vm_type, "qemu");
    ck_assert_int_eq(r->cpus, 2);
    ck_assert_uint_eq(r->memory, UINT64_C(2) << 30);
    ck_assert_uint_eq(r->disk, UINT64_C(6) << 30);
    ck_assert_ptr_null(r->errors);
    r = csb__lima_list_find(&list, "p1");
    ck_assert_str_eq(r->status, "");
    ck_assert_str_eq(r->errors, "failed to unmarshal YAML: [1:7] not found; second");
    ck_assert_ptr_null(csb__lima_list_find(&list, "p"));
}
END_TEST

START_TEST(lists_that_are_fine) {
    CSB__AUTOLIMALIST list = {NULL, 0};

    ck_assert_int_eq(parse("", &list), 0);
    ck_assert_uint_eq(list.n, 0);
    ck_assert_int_eq(parse("\n" RECORD("a", ",\"new\":{\"x\":[1]}") "\n"
                                                                    "{\"name\":\"b\"}",
                           &list),
                     0);
    ck_assert_uint_eq(list.n, 2);
    ck_assert_str_eq(list.items[1].status, "");
}
END_TEST

START_TEST(odd_values_are_unknown) {
    CSB__AUTOLIMALIST list = {NULL, 0};

    ck_assert_int_eq(parse(RECORD("a", ",\"cpus\":-3,\"memory\":-1,\"disk\":\"6GiB\","
                                       "\"status\":7,\"errors\":{\"Op\":1}"),
                           &list),
                     0);
    ck_assert_int_eq(list.items[0].cpus, 0);
    ck_assert_uint_eq(list.items[0].memory, 0);
    ck_assert_uint_eq(list.items[0].disk, 0);
    ck_assert_str_eq(list.items[0].status, "");
    ck_assert_ptr_null(list.items[0].errors);
}
END_TEST

START_TEST(lists_that_are_none) {
    static const char *const bad[] = {"x",
                                      "[]",
                                      "{}",
                                      "{\"name\":\"\"}",
                                      "{\"name\":1}",
                                      "{\"name\":\"../x\"}",
                                      "{\"name\":\"a\"",
                                      "null",
                                      "{\"name\":\"a\",\"name\":\"b\"}",
                                      RECORD("a", "") "{\"na",
                                      NULL};

    for (int i = 0; bad[i]; i++) {
        struct csb__lima_list list = {NULL, 0};

        ck_assert_msg(parse(bad[i], &list) == CSB_EPROTOCOL, "%s", bad[i]);
        ck_assert_ptr_null(list.items);
    }
}
END_TEST

START_TEST(lists_have_limits) {
    CSB__AUTOSTRBUF sb = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF line = CSB__STRBUF_INIT;
    CSB__AUTOLIMALIST list = {NULL, 0};

    for (int i = 0; i <= CSB__LIMA_RECORDS_MAX; i++) {
        csb__strbuf_puts(&sb, RECORD("a", ""));
    }
    ck_assert_int_eq(parse(sb.data, &list), CSB_EPROTOCOL);
    csb__strbuf_puts(&line, "{\"name\":\"a\",\"x\":\"");
    for (int i = 0; i < 17 * 1024; i++) {
        csb__strbuf_puts(&line, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    }
    csb__strbuf_puts(&line, "\"}");
    ck_assert_int_eq(parse(line.data, &list), CSB_EPROTOCOL);
}
END_TEST

static int events(const char *text) {
    return csb__lima_parse_events(text, strlen(text));
}

#define EVENT(status) "{\"time\":\"T\",\"status\":{" status "}}\n"

START_TEST(the_last_event_counts) {
    ck_assert_int_eq(events(""), CSB__LIMA_NO_EVENTS);
    ck_assert_int_eq(events("garbage\n{}\n"), CSB__LIMA_NO_EVENTS);
    ck_assert_int_eq(events(EVENT("\"sshLocalPort\":1")), CSB__LIMA_BOOTING);
    ck_assert_int_eq(events(EVENT("\"sshLocalPort\":1") EVENT("\"running\":true")),
                     CSB__LIMA_READY);
    ck_assert_int_eq(events(EVENT("\"running\":true,\"degraded\":true,\"errors\":[\"x\"]")),
                     CSB__LIMA_READY);
    ck_assert_int_eq(events(EVENT("\"running\":true") EVENT("\"exiting\":true")),
                     CSB__LIMA_EXITING);
    /* Cut off at the front by the tail, and at the end by the writer. */
    ck_assert_int_eq(events("ing\":true}}\n" EVENT("\"running\":true") "{\"time\":\"T\",\"sta"),
                     CSB__LIMA_READY);
}
END_TEST

static void make_spec(struct csb__spec *spec) {
    *spec = (struct csb__spec){.name = strdup("vm")};
    ck_assert_int_eq(csb__spec_add_mount(spec, "/p q", "/p q", true, NULL), 0);
    ck_assert_int_eq(csb__spec_add_mount(spec, "/s", "/mnt/claude-settings", false, NULL), 0);
}

#define P                                                                                          \
    "{\"location\":\"/p q\",\"mountPoint\":\"/mnt/claude-sandbox/0\",\"writable\":"                \
    "true,\"9p\":{}}"
#define S "{\"location\":\"/s\",\"mountPoint\":\"/mnt/claude-settings\",\"writable\":false}"
#define CONFIG(mounts, more) "{\"vmType\":\"qemu\",\"mounts\":" mounts more "}"
#define MT ",\"mountType\":\"9p\""

static void config(const char *text, int want, const char *message) {
    csb_error *err = NULL;
    struct csb__spec spec;

    make_spec(&spec);
    ck_assert_msg(csb__lima_check_config(text, strlen(text), &spec, &err) == want, "%s", text);
    ck_assert_msg(strstr(csb_error_message(err), message) != NULL, "%s", csb_error_message(err));
    csb_error_free(err);
    csb__spec_finish(&spec);
}

START_TEST(a_configuration_as_asked) {
    config(CONFIG("[" P "," S "]", MT), 0, "");
    config(CONFIG("[" S "," P "]", MT ",\"plain\":false,\"ssh\":{\"forwardAgent\":false}"), 0, "");
}
END_TEST

START_TEST(a_configuration_that_is_not_as_asked) {
    config("null", CSB_EPROTOCOL, "configuration");
    config("", CSB_EPROTOCOL, "configuration");
    config("{}", CSB_EPROTOCOL, "more or fewer");
    config(CONFIG("[" P "]", MT), CSB_EPROTOCOL, "more or fewer");
    config(CONFIG("[" P "," S ",{\"location\":\"/home/u\"}]", MT), CSB_EPROTOCOL, "more or fewer");
    config(CONFIG("[" P "," P "]", MT), CSB_EPROTOCOL, "/s: ");
    config(CONFIG("[" P ",{\"location\":\"/s\",\"mountPoint\":\"/mnt/claude-settings\","
                  "\"writable\":true}]",
                  MT),
           CSB_EPROTOCOL, "/s: ");
    config(CONFIG("[" P "," S "]", ""), CSB_EPROTOCOL, "mountType");
    config(CONFIG("[" P "," S "]", ",\"mountType\":\"reverse-sshfs\""), CSB_EPROTOCOL, "mountType");
    config(CONFIG("[" P "," S "]", MT ",\"plain\":true"), CSB_EPROTOCOL, "plain");
    config(CONFIG("[" P "," S "]", MT ",\"ssh\":{\"forwardAgent\":true}"), CSB_EPROTOCOL,
           "forwardAgent");
}
END_TEST

static void version(const char *text, int major, int minor, const char *word) {
    char got[64];
    int a = -1;
    int b = -1;

    ck_assert_int_eq(csb__lima_parse_version(text, &a, &b, got, NULL), 0);
    ck_assert_int_eq(a, major);
    ck_assert_int_eq(b, minor);
    ck_assert_str_eq(got, word);
}

START_TEST(versions) {
    char word[64];
    int n;

    version("limactl version 2.2.0\n", 2, 2, "2.2.0");
    version("limactl version v2.1.0-beta.0\n", 2, 1, "v2.1.0-beta.0");
    version("limactl version 2.0.3-12-g12345\n", 2, 0, "2.0.3-12-g12345");
    version("limactl version <unknown>\n", INT_MAX, 0, "<unknown>");
    version("limactl version HEAD-183a60d7\n", INT_MAX, 0, "HEAD-183a60d7");
    version("limactl version 99999999999999999999.1\n", INT_MAX, 0, "99999999999999999999.1");
    ck_assert_int_eq(csb__lima_parse_version("", &n, &n, word, NULL), CSB_EPROTOCOL);
    ck_assert_int_eq(csb__lima_parse_version("limactl version \n", &n, &n, word, NULL),
                     CSB_EPROTOCOL);
    ck_assert_int_eq(csb__lima_parse_version("docker version 2.2.0", &n, &n, word, NULL),
                     CSB_EPROTOCOL);
}
END_TEST

static void fatal(const char *text, const char *want) {
    char *got = csb__lima_fatal_message(text);

    ck_assert_pstr_eq(got, want);
    free(got);
}

START_TEST(what_limactl_failed_of) {
    fatal("", NULL);
    fatal("\n\n", NULL);
    fatal("{\"level\":\"info\",\"msg\":\"a\"}\n{\"level\":\"fatal\",\"msg\":\"b\\nmore\"}\n", "b");
    fatal("{\"level\":\"fatal\",\"msg\":\"b\"}\n{\"level\":\"warning\",\"msg\":\"later\"}\n", "b");
    fatal("{\"level\":\"error\",\"msg\":\"e\"}\n{\"level\":\"info\",\"msg\":\"i\"}\n", "e");
    fatal("time=\"T\" level=fatal msg=\"unknown flag: --nosuch\"\n", "unknown flag: --nosuch");
    fatal("time=\"T\" level=fatal msg=\"unknown command \\\"x\\\" for \\\"limactl\\\"\"\n",
          "unknown command \"x\" for \"limactl\"");
    fatal("time=\"T\" level=fatal msg=\"a: [1:4] b\\n>  1 | a: [\\n\"\n", "a: [1:4] b");
    fatal("panic: runtime error: x\n[signal SIGSEGV]\n\ngoroutine 1 [running]:\n",
          "panic: runtime error: x");
    fatal("some words\x1b[31m\n", "some words [31m");
    fatal("{broken json\n", "{broken json");
    fatal("why\ntime=\"T\" level=fatal msg=\"\\nmore\"\n", "why");
    fatal("a \xc2\x9b b\n", "a ?? b");
}
END_TEST

START_TEST(what_it_says_is_cut) {
    char text[4096];
    char *got;

    memset(text, 'a', 499);
    strcpy(text + 499, "ü and more, so that the limit is inside of the letter");
    got = csb__lima_fatal_message(text);
    ck_assert_uint_eq(strlen(got), 499);
    free(got);
}
END_TEST

Suite *lima_parse_suite(void);

Suite *lima_parse_suite(void) {
    Suite *s = suite_create("lima_parse");
    TCase *tc = tcase_create("all");

    tcase_add_test(tc, a_list_as_limactl_writes_it);
    tcase_add_test(tc, lists_that_are_fine);
    tcase_add_test(tc, odd_values_are_unknown);
    tcase_add_test(tc, lists_that_are_none);
    tcase_add_test(tc, lists_have_limits);
    tcase_add_test(tc, the_last_event_counts);
    tcase_add_test(tc, a_configuration_as_asked);
    tcase_add_test(tc, a_configuration_that_is_not_as_asked);
    tcase_add_test(tc, versions);
    tcase_add_test(tc, what_limactl_failed_of);
    tcase_add_test(tc, what_it_says_is_cut);
    suite_add_tcase(s, tc);
    return s;
}
