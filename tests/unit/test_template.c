/* SPDX-License-Identifier: MIT */
#include "model/template.h"

#include <stdio.h>
#include <string.h>

#include "support.h"

START_TEST(sizes_and_keys_are_read) {
    const char *text = "# a comment\n"
                       "images:\n"
                       "- location: x\n"
                       "cpus: 4\n"
                       "memory: 1.5GiB\n"
                       "disk: \"100GiB\"\n"
                       "base: {a: 1}\n";
    CSB__AUTOTEMPLATE t = {0};

    ck_assert_int_eq(csb__template_parse(text, strlen(text), "t.yaml", &t, NULL), 0);
    ck_assert_int_eq(t.cpus, 4);
    ck_assert_uint_eq(t.memory, UINT64_C(3) << 29);
    ck_assert_uint_eq(t.disk, UINT64_C(100) << 30);
    ck_assert_uint_eq(t.n_keys, 5);
    ck_assert_str_eq(t.keys[0].name, "images");
    ck_assert_int_eq(t.keys[0].line, 2);
    ck_assert_str_eq(t.keys[4].name, "base");
    ck_assert_int_eq(t.keys[4].line, 7);
}
END_TEST

START_TEST(null_means_not_said) {
    static const char *const nulls[] = {"", " null", " ~", " # nothing"};

    for (size_t i = 0; i < 4; i++) {
        CSB__AUTOTEMPLATE t = {0};
        CSB__AUTOERROR csb_error *e = NULL;
        char text[64];

        snprintf(text, sizeof(text), "cpus:%s\nmemory:%s\n", nulls[i], nulls[i]);
        ck_assert_msg(csb__template_parse(text, strlen(text), "t.yaml", &t, &e) == 0, "%s: %s",
                      text, csb_error_message(e));
        ck_assert_int_eq(t.cpus, 0);
        ck_assert_uint_eq(t.memory, 0);
    }
}
END_TEST

START_TEST(mistakes_have_a_place) {
    static const char *const table[][2] = {
        {"", "t.yaml:1:1: not a YAML mapping"},
        {"# only a comment\n", "t.yaml:1:1: not a YAML mapping"},
        {"just words\n", "t.yaml:1:1: not a YAML mapping"},
        {"\n\n  - a\n  - b\n", "t.yaml:3:3: not a YAML mapping"},
        {"a: 1\nb: [1, 2\nc: 3\n", "t.yaml:3:2: "},
        {"a: 1\n\tb: 2\n", "t.yaml:2:1: "},
        {"a: \"x\n", "t.yaml:2:1: "},
        {"a: *nowhere\n", "t.yaml:1:4: "},
        {"a: 1\nb: 2\na: 3\n", "t.yaml:3:1: the same key a second time"},
        {"a: 1\n? [x, y]\n: 2\n", "t.yaml:2:3: a key must be a word"},
        {"a: 1\ncpus: many\n", "t.yaml:2:7: cpus must be a whole number from 1"},
        {"cpus: 0\n", "t.yaml:1:7: cpus must be a whole number from 1"},
        {"cpus: -1\n", "t.yaml:1:7: cpus must be a whole number from 1"},
        {"cpus: 257\n", "t.yaml:1:7: cpus must be a whole number from 1"},
        {"cpus: 1.5\n", "t.yaml:1:7: cpus must be a whole number from 1"},
        {"cpus: 99999999999999999999\n", "t.yaml:1:7: cpus must be a whole number from 1"},
        {"cpus: [4]\n", "t.yaml:1:7: cpus must be a whole number from 1"},
        {"cpus: \"\"\n", "t.yaml:1:7: cpus must be a whole number from 1"},
        {"a: 1\n\nmemory:   lots\n", "t.yaml:3:11: not a size such as 4GiB"},
        {"memory: {a: 1}\n", "t.yaml:1:9: not a size such as 4GiB"},
        {"memory: -1\n", "t.yaml:1:9: not a size such as 4GiB"},
        {"disk: 0\n", "t.yaml:1:7: not a size such as 4GiB"},
        {"disk:\n  - 1\n", "t.yaml:2:3: not a size such as 4GiB"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        CSB__AUTOTEMPLATE t = {0};
        CSB__AUTOERROR csb_error *e = NULL;

        ck_assert_msg(csb__template_parse(table[i][0], strlen(table[i][0]), "t.yaml", &t, &e) ==
                          CSB_EINVAL,
                      "accepted: %s", table[i][0]);
        test_check_error(e, CSB_EINVAL, table[i][1]);
        ck_assert_uint_eq(t.n_keys, 0);
    }
}
END_TEST

START_TEST(bytes_that_are_no_text) {
    static const char *const table[] = {"a: \xff\n", "\x01\x02", "a: \xc3\n", "\xfe\xff\xd8"};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        CSB__AUTOTEMPLATE t = {0};
        CSB__AUTOERROR csb_error *e = NULL;

        ck_assert_int_eq(csb__template_parse(table[i], strlen(table[i]), "t.yaml", &t, &e),
                         CSB_EINVAL);
        test_check_error(e, CSB_EINVAL, "t.yaml:");
    }
}
END_TEST

START_TEST(keys_have_a_limit) {
    for (int n = CSB__TEMPLATE_KEYS_MAX; n <= CSB__TEMPLATE_KEYS_MAX + 1; n++) {
        CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
        CSB__AUTOTEMPLATE t = {0};
        CSB__AUTOERROR csb_error *e = NULL;
        int rc;

        for (int i = 0; i < n; i++) {
            csb__strbuf_printf(&text, "k%d: 1\n", i);
        }
        rc = csb__template_parse(csb__strbuf_text(&text), text.len, "t.yaml", &t, &e);
        if (n == CSB__TEMPLATE_KEYS_MAX) {
            ck_assert_int_eq(rc, 0);
        } else {
            ck_assert_int_eq(rc, CSB_EINVAL);
            test_check_error(e, CSB_EINVAL, "t.yaml:129:1: too many keys");
        }
    }
}
END_TEST

START_TEST(the_shared_subset_is_taken) {
    const char *text = "minimumLimaVersion: 2.1.0\n"
                       "base: template:_images/ubuntu-24.04\n"
                       "images:\n- location: x\n"
                       "containerd: {system: false, user: false}\n"
                       "mounts: []\n"
                       "message: \"Hello {{.Name}}\"\n"
                       "probes:\n- script: x\n"
                       "param:\n  tools: \"a b\"\n  n: 24\n"
                       "env: {LEVEL: 7}\n"
                       "provision:\n"
                       "- script: |\n"
                       "    #!/bin/sh\n"
                       "    echo one\n"
                       "- mode: user\n"
                       "  script: echo two\n";
    CSB__AUTOTEMPLATE t = {0};

    ck_assert_int_eq(csb__template_parse(text, strlen(text), "t.yaml", &t, NULL), 0);
    ck_assert_msg(!t.beyond, "%s", t.beyond);
    ck_assert(t.names_image);
    ck_assert_uint_eq(t.n_params, 2);
    ck_assert_str_eq(t.params[0].name, "tools");
    ck_assert_str_eq(t.params[0].value, "a b");
    ck_assert_str_eq(t.params[1].value, "24");
    ck_assert_uint_eq(t.n_env, 1);
    ck_assert_str_eq(t.env[0].value, "7");
    ck_assert_uint_eq(t.n_scripts, 2);
    ck_assert(!t.scripts[0].as_user);
    ck_assert_str_eq(t.scripts[0].text, "#!/bin/sh\necho one\n");
    ck_assert_int_eq(t.scripts[0].line, 15);
    ck_assert(t.scripts[1].as_user);
    ck_assert_str_eq(t.scripts[1].text, "echo two");
}
END_TEST

/* Lima may know better what to do with these: they are no mistakes. */
START_TEST(what_goes_beyond_is_noted) {
    static const struct {
        const char *text;
        int line;
        const char *beyond;
    } table[] = {
        {"cpus: 1\narch: x86_64\nvmType: qemu\n", 2, "\"arch\""},
        {"base: template:docker\n", 1, "the base \"template:docker\""},
        {"base:\n- template:_images/debian\n", 2, "the base \"\""},
        {"containerd: {user: true}\n", 1, "\"containerd\""},
        {"mounts:\n- location: /x\n", 1, "\"mounts\""},
        {"provision: yes\n", 1, "what is no list of provisions"},
        {"provision:\n- mode: boot\n  script: x\n", 2, "a provision of the mode \"boot\""},
        {"provision:\n- mode: data\n  path: /x\n", 3, "a provision with \"path\""},
        {"provision:\n- mode: user\n", 2, "a provision without a script"},
        {"provision:\n- just words\n", 2, "a provision without a script"},
        {"provision:\n- script: echo {{.User}}\n", 2, "a script with \"{{\""},
        {"provision:\n- script: {url: x}\n", 2, "a provision with \"script\""},
        {"param:\n  a-b: 1\n", 2, "the name \"a-b\""},
        {"param:\n  a: [1]\n", 2, "the value of \"a\""},
        {"env:\n  A: \"x\\ny\"\n", 2, "the value of \"A\""},
        {"env: [A]\n", 1, "what is no list of names and values"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        CSB__AUTOTEMPLATE t = {0};

        ck_assert_msg(csb__template_parse(table[i].text, strlen(table[i].text), "t", &t, NULL) == 0,
                      "%s", table[i].text);
        ck_assert_msg(t.beyond && strcmp(t.beyond, table[i].beyond) == 0, "%s: %s", table[i].text,
                      t.beyond ? t.beyond : "nothing");
        ck_assert_msg(t.beyond_line == table[i].line, "%s: line %d", table[i].text, t.beyond_line);
    }
}
END_TEST

static int parse_scripts(int n, size_t bytes, struct csb__template *t) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;

    csb__strbuf_puts(&text, "provision:\n");
    for (int i = 0; i < n; i++) {
        csb__strbuf_puts(&text, "- script: \"");
        for (size_t b = 0; b < bytes; b++) {
            csb__strbuf_puts(&text, "x");
        }
        csb__strbuf_puts(&text, "\"\n");
    }
    return csb__template_parse(csb__strbuf_text(&text), text.len, "t", t, NULL);
}

START_TEST(scripts_have_limits) {
    CSB__AUTOTEMPLATE most = {0};
    CSB__AUTOTEMPLATE many = {0};
    CSB__AUTOTEMPLATE large = {0};
    CSB__AUTOTEMPLATE largest = {0};

    ck_assert_int_eq(parse_scripts(CSB__TEMPLATE_SCRIPTS_MAX, 1, &most), 0);
    ck_assert(!most.beyond && most.n_scripts == CSB__TEMPLATE_SCRIPTS_MAX);
    ck_assert_int_eq(parse_scripts(CSB__TEMPLATE_SCRIPTS_MAX + 1, 1, &many), 0);
    ck_assert_ptr_nonnull(many.beyond);
    ck_assert_int_eq(parse_scripts(1, CSB__TEMPLATE_SCRIPT_BYTES, &large), 0);
    ck_assert_ptr_null(large.beyond);
    ck_assert_int_eq(parse_scripts(1, CSB__TEMPLATE_SCRIPT_BYTES + 1, &largest), 0);
    ck_assert_ptr_nonnull(largest.beyond);
}
END_TEST

START_TEST(deep_nesting_is_survived) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTOTEMPLATE t = {0};
    int rc;

    csb__strbuf_puts(&text, "a: ");
    for (int i = 0; i < 100000; i++) {
        csb__strbuf_puts(&text, "[");
    }
    rc = csb__template_parse(csb__strbuf_text(&text), text.len, "t.yaml", &t, NULL);
    ck_assert_int_eq(rc, CSB_EINVAL);
}
END_TEST

START_TEST(noise_is_survived) {
    static const char bytes[] = "a:- \n\t[]{}&*!|>'\"%@`#,?~1\xc3\xa9";
    unsigned state = 5;
    int good = 0;

    for (int round = 0; round < 5000; round++) {
        CSB__AUTOTEMPLATE t = {0};
        char text[40];
        size_t len = test_random(&state) % sizeof(text);

        for (size_t i = 0; i < len; i++) {
            text[i] = bytes[test_random(&state) % (sizeof(bytes) - 1)];
        }
        good += csb__template_parse(text, len, "t", &t, NULL) == 0;
    }
    ck_assert_int_gt(good, 0);
}
END_TEST

Suite *template_suite(void);
Suite *template_suite(void) {
    Suite *s = suite_create("template");
    TCase *tc = test_case(s, "template");

    tcase_add_test(tc, sizes_and_keys_are_read);
    tcase_add_test(tc, null_means_not_said);
    tcase_add_test(tc, mistakes_have_a_place);
    tcase_add_test(tc, bytes_that_are_no_text);
    tcase_add_test(tc, keys_have_a_limit);
    tcase_add_test(tc, the_shared_subset_is_taken);
    tcase_add_test(tc, what_goes_beyond_is_noted);
    tcase_add_test(tc, scripts_have_limits);
    tcase_add_test(tc, deep_nesting_is_survived);
    tcase_add_test(tc, noise_is_survived);
    return s;
}
