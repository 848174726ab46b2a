/* SPDX-License-Identifier: MIT */
#include "model/record.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "support.h"

static void fill(struct csb__record *r) {
    *r = (struct csb__record){
        .engine = strdup("qemu"),
        .engine_home = strdup("/home/u/\xe6\x97\xa5 \"x\""),
        .created = 1700000000,
        .complete = true,
        .spec = {.name = strdup("web-1"),
                 .project_dir = strdup("/home/u/web"),
                 .settings_dir = strdup("/home/u/s"),
                 .cpus = 3,
                 .memory = UINT64_C(1) << 40,
                 .disk = UINT64_C(1) << 45},
        .changes = {.cpus = 5,
                    .memory = UINT64_C(1) << 33,
                    .disk = UINT64_C(1) << 46,
                    .settings_dir = strdup("/home/u/t"),
                    .settings_mode = 2},
    };
    ck_assert_int_eq(csb__spec_add_mount(&r->spec, "/home/u/web", "/home/u/web", true, NULL), 0);
    ck_assert_int_eq(
        csb__spec_add_mount(&r->spec, "/home/u/s", "/mnt/claude-settings", false, NULL), 0);
}

static char *good_text(void) {
    CSB__AUTORECORD r;

    fill(&r);
    return csb__record_format(&r);
}

static int parse(const char *text) {
    CSB__AUTORECORD r = {0};

    return csb__record_parse(text, strlen(text), &r, NULL);
}

START_TEST(what_is_written_is_read) {
    CSB__AUTORECORD a;
    CSB__AUTORECORD b = {0};
    CSB__AUTOFREE char *text = NULL;
    CSB__AUTOFREE char *again = NULL;

    fill(&a);
    text = csb__record_format(&a);
    ck_assert_int_eq(csb__record_parse(text, strlen(text), &b, NULL), 0);
    ck_assert_str_eq(b.spec.name, a.spec.name);
    ck_assert_str_eq(b.spec.project_dir, a.spec.project_dir);
    ck_assert_str_eq(b.spec.settings_dir, a.spec.settings_dir);
    ck_assert_str_eq(b.engine, a.engine);
    ck_assert_str_eq(b.engine_home, a.engine_home);
    ck_assert_int_eq(b.created, a.created);
    ck_assert(b.complete);
    ck_assert_int_eq(b.spec.cpus, 3);
    ck_assert_uint_eq(b.spec.memory, a.spec.memory);
    ck_assert_uint_eq(b.spec.disk, a.spec.disk);
    ck_assert_uint_eq(b.spec.n_mounts, 2);
    ck_assert_str_eq(b.spec.mounts[0].host_path, "/home/u/web");
    ck_assert(b.spec.mounts[0].writable);
    ck_assert_str_eq(b.spec.mounts[1].guest_path, "/mnt/claude-settings");
    ck_assert(!b.spec.mounts[1].writable);
    ck_assert_int_eq(b.changes.cpus, 5);
    ck_assert_uint_eq(b.changes.memory, a.changes.memory);
    ck_assert_uint_eq(b.changes.disk, a.changes.disk);
    ck_assert_str_eq(b.changes.settings_dir, "/home/u/t");
    ck_assert_int_eq(b.changes.settings_mode, 2);
    again = csb__record_format(&b);
    ck_assert_str_eq(again, text);
}
END_TEST

START_TEST(what_is_optional_may_be_missing) {
    CSB__AUTORECORD a = {
        .engine = strdup("lima"), .engine_home = strdup(""), .spec = {.name = strdup("x")}};
    CSB__AUTORECORD b = {0};
    CSB__AUTOFREE char *text = csb__record_format(&a);

    ck_assert_int_eq(csb__record_parse(text, strlen(text), &b, NULL), 0);
    ck_assert_ptr_null(b.spec.project_dir);
    ck_assert_ptr_null(b.spec.settings_dir);
    ck_assert_uint_eq(b.spec.n_mounts, 0);
    ck_assert(!b.complete);
    ck_assert_str_eq(b.engine_home, "");
}
END_TEST

START_TEST(every_cut_is_noticed) {
    CSB__AUTOFREE char *text = good_text();
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++) {
        CSB__AUTORECORD r = {0};
        CSB__AUTOERROR csb_error *e = NULL;
        CSB__AUTOFREE char *cut = malloc(i + 1);

        /* Exactly that long, so that reading further is noticed. */
        memcpy(cut, text, i);
        cut[i] = 'x';
        ck_assert_msg(csb__record_parse(cut, i, &r, &e) == CSB_EPROTOCOL, "%zu bytes", i);
        ck_assert_int_eq(csb_error_code(e), CSB_EPROTOCOL);
        ck_assert_ptr_null(r.spec.name);
    }
}
END_TEST

START_TEST(damage_is_survived) {
    CSB__AUTOFREE char *text = good_text();
    size_t len = strlen(text);
    unsigned state = 11;

    for (int round = 0; round < 5000; round++) {
        CSB__AUTORECORD r = {0};
        size_t at = test_random(&state) % len;
        char saved = text[at];
        int rc;

        text[at] = (char)test_random(&state);
        rc = csb__record_parse(text, len, &r, NULL);
        ck_assert(rc == 0 || rc == CSB_EPROTOCOL);
        ck_assert(rc != 0 || (r.spec.name && r.engine && r.engine_home));
        text[at] = saved;
    }
}
END_TEST

/* The good record with one member replaced (NULL: removed). */
static int parse_with(const char *key, const char *json_value) {
    CSB__AUTOFREE char *text = good_text();
    json_t *json = json_loads(text, 0, NULL);
    CSB__AUTOFREE char *changed = NULL;

    ck_assert_ptr_nonnull(json_object_get(json, key));
    if (json_value) {
        json_t *value = json_loads(json_value, JSON_DECODE_ANY, NULL);

        ck_assert_msg(value, "%s", json_value);
        ck_assert_int_eq(json_object_set_new(json, key, value), 0);
    } else {
        ck_assert_int_eq(json_object_del(json, key), 0);
    }
    changed = json_dumps(json, 0);
    json_decref(json);
    return parse(changed);
}

START_TEST(wrong_members_are_refused) {
    static const char *const table[][2] = {
        {"schema", NULL},
        {"schema", "2"},
        {"schema", "\"1\""},
        {"schema", "null"},
        {"name", NULL},
        {"name", "1"},
        {"name", "\"\""},
        {"name", "\"../x\""},
        {"name", "\"a/b\""},
        {"engine", NULL},
        {"engine", "[]"},
        {"engine_home", NULL},
        {"engine_home", "{}"},
        {"project_dir", "1"},
        {"project_dir", "null"},
        {"settings_dir", "[\"/x\"]"},
        {"complete", NULL},
        {"complete", "1"},
        {"complete", "\"true\""},
        {"cpus", NULL},
        {"cpus", "\"4\""},
        {"cpus", "1.5"},
        {"cpus", "-1"},
        {"cpus", "257"},
        {"cpus", "4294967297"},
        {"memory", NULL},
        {"memory", "-1"},
        {"memory", "\"4GiB\""},
        {"memory", "1e3"},
        {"disk", NULL},
        {"disk", "-1"},
        {"disk", "true"},
        {"created", NULL},
        {"created", "\"today\""},
        {"mounts", NULL},
        {"mounts", "{}"},
        {"mounts", "null"},
        {"mounts", "[1]"},
        {"mounts", "[{}]"},
        {"mounts", "[{\"host\": \"/a\", \"writable\": true}]"},
        {"mounts", "[{\"host\": \"a\", \"guest\": \"/a\", \"writable\": true}]"},
        {"mounts", "[{\"host\": \"/a\", \"guest\": \"a\", \"writable\": true}]"},
        {"mounts", "[{\"host\": \"/a\", \"guest\": \"/etc\", \"writable\": true}]"},
        {"mounts", "[{\"host\": \"/a\", \"guest\": \"/a/../etc\", \"writable\": true}]"},
        {"mounts", "[{\"host\": \"/a\", \"guest\": \"/a\", \"writable\": \"no\"}]"},
        {"mounts", "[{\"host\": \"/a\", \"guest\": \"/a\"}]"},
        {"changes", "[]"},
        {"changes", "{\"cpus\": -1}"},
        {"changes", "{\"disk\": -1}"},
        {"changes", "{\"settings_dir\": \"here\"}"},
        {"changes", "{\"settings_dir\": 1}"},
        {"changes", "{\"settings_mode\": 3}"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        ck_assert_msg(parse_with(table[i][0], table[i][1]) == CSB_EPROTOCOL, "accepted: %s = %s",
                      table[i][0], table[i][1] ? table[i][1] : "(missing)");
    }
    ck_assert_int_eq(parse_with("cpus", "256"), 0);
    ck_assert_int_eq(parse_with("memory", "0"), 0);
}
END_TEST

START_TEST(a_key_twice_is_refused) {
    CSB__AUTOFREE char *text = good_text();
    CSB__AUTOFREE char *twice = NULL;

    ck_assert_int_ge(asprintf(&twice, "{\"name\": \"other\",%s", text + 1), 0);
    ck_assert_int_eq(parse(text), 0);
    ck_assert_int_eq(parse(twice), CSB_EPROTOCOL);
}
END_TEST

START_TEST(mounts_have_a_limit) {
    for (int n = CSB__MOUNTS_MAX; n <= CSB__MOUNTS_MAX + 1; n++) {
        CSB__AUTOSTRBUF mounts = CSB__STRBUF_INIT;

        for (int i = 0; i < n; i++) {
            csb__strbuf_printf(&mounts,
                               "%s{\"host\": \"/h%d\", \"guest\": \"/g%d\", "
                               "\"writable\": false}",
                               i ? ", " : "[", i, i);
        }
        csb__strbuf_puts(&mounts, "]");
        ck_assert_int_eq(parse_with("mounts", csb__strbuf_text(&mounts)) == 0,
                         n == CSB__MOUNTS_MAX);
    }
}
END_TEST

Suite *record_suite(void);
Suite *record_suite(void) {
    Suite *s = suite_create("record");
    TCase *tc = test_case(s, "record");

    tcase_add_test(tc, what_is_written_is_read);
    tcase_add_test(tc, what_is_optional_may_be_missing);
    tcase_add_test(tc, every_cut_is_noticed);
    tcase_add_test(tc, damage_is_survived);
    tcase_add_test(tc, wrong_members_are_refused);
    tcase_add_test(tc, a_key_twice_is_refused);
    tcase_add_test(tc, mounts_have_a_limit);
    return s;
}
