/* SPDX-License-Identifier: MIT */
#include "test_lima_fake.h"

#include <sys/wait.h>

#include "engine/lima/config.h"
#include "engine/lima/layers.h"
#include "engine/lima/lima.h"
#include "engine/lima/overlay.h"
#include "engine/lima/qcow2.h"

#define YAML                                                                                       \
    "# a comment\nimages: [{location: /i}]\nvmType: qemu\nmemory: 4GiB\ndisk: 3GiB\ncpus: 4\n"     \
    "mounts:\n- location: /somewhere\n  writable: true\nssh:\n  localPort: 60022\n"                \
    "provision:\n- script: |\n    #!/bin/sh\n    echo \"a: b\" # c\n"

static struct csb__spec spec;
static bool is_ours;

static void setup(void) {
    fake_setup();
    spec = (struct csb__spec){.name = strdup("vm"), .cpus = 2};
    is_ours = true;
    ck_assert_int_eq(csb__spec_add_mount(&spec, "/p \"q", "/p \"q", true, NULL), 0);
}

static void teardown(void) {
    csb__spec_finish(&spec);
    fake_teardown();
}

static int clone_base(csb_error **err) {
    struct csb__source source = {.base = "base", .base_is_ours = is_ours};

    return csb__lima_clone(&fake.env, &spec, &source, err);
}

static void put_disk(const char *name, const char *backing, uint64_t size) {
    CSB__AUTOFREE unsigned char *bytes = malloc(CSB__QCOW2_OVERLAY);

    ck_assert(csb__qcow2_overlay(size, "x", bytes));
    if (!*backing) {
        memset(bytes + 8, 0, 12);
    } else {
        ck_assert(csb__qcow2_overlay(size, backing, bytes));
    }
    ck_assert_int_eq(
        csb__write_file(fake_path(name, "disk"), bytes, CSB__QCOW2_OVERLAY, 0600, NULL), 0);
}

static void put_base(void) {
    fake_put("base", "lima.yaml", YAML);
    fake_put("base", "status", "Stopped");
    unlink(fake_path("base", "status"));
    fake_put("base", "lima-version", "2.2.0");
    fake_put("base", "kernel", "k");
    fake_put("base", "kernel.cmdline", "root=/dev/vda");
    fake_put("base", "cidata.iso", "the base's");
    fake_put("base", "ssh.config", "Host lima-base\n");
    fake_put("base", "protected", "");
    put_disk("base", "", UINT64_C(3) << 30);
}

static void head_of(const char *path, struct csb__qcow2 *ret) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;

    ck_assert_int_eq(csb__read_file(path, 1 << 20, &text), 0);
    ck_assert(csb__qcow2_parse(text.data, text.len, ret));
}

static int count_layers(void) {
    CSB__AUTOCLOSEDIR DIR *dir = opendir(fake_path("_claude-sandbox", NULL));
    struct dirent *entry;
    int n = 0;

    while (dir && (entry = readdir(dir))) {
        n += entry->d_name[0] != '.';
    }
    return n;
}

static void rename_spec(const char *name) {
    free(spec.name);
    spec.name = strdup(name);
}

START_TEST(a_disk_of_ours) {
    static unsigned char bytes[CSB__QCOW2_OVERLAY];
    struct csb__qcow2 d;

    ck_assert(csb__qcow2_overlay(UINT64_C(100) << 30, "../a/b", bytes));
    ck_assert(csb__qcow2_parse(bytes, sizeof(bytes), &d));
    ck_assert_uint_eq(d.size, UINT64_C(100) << 30);
    ck_assert_str_eq(d.backing, "../a/b");
    ck_assert(d.plain);
    bytes[79] = 4; /* its data is in another file */
    ck_assert(csb__qcow2_parse(bytes, sizeof(bytes), &d));
    ck_assert(!d.plain);
    bytes[17] = 1; /* a name longer than the file */
    ck_assert(!csb__qcow2_parse(bytes, sizeof(bytes), &d));
    ck_assert(!csb__qcow2_parse("QFI\xfb", 4, &d));
    ck_assert(!csb__qcow2_parse("a disk that is no qcow2 file, but long enough for its header, "
                                "which is a hundred and four bytes",
                                105, &d));
    ck_assert(!csb__qcow2_overlay(0, "x", bytes));
    ck_assert(!csb__qcow2_overlay(513, "x", bytes));
    ck_assert(!csb__qcow2_overlay(UINT64_C(1) << 60, "x", bytes));
}
END_TEST

START_TEST(a_configuration_is_read) {
    CSB__AUTOLIMACONFIG c = {.locations = CSB__STRV_INIT};

    ck_assert_int_eq(csb__lima_config_read(YAML, strlen(YAML), &c, NULL), 0);
    ck_assert_str_eq(c.vm_type, "qemu");
    ck_assert_int_eq(c.cpus, 4);
    ck_assert_uint_eq(c.memory, UINT64_C(4) << 30);
    ck_assert_uint_eq(c.disk, UINT64_C(3) << 30);
    ck_assert(!c.has_disks);
    ck_assert_uint_eq(c.locations.len, 1);
    ck_assert_str_eq(c.locations.items[0], "/somewhere");
}
END_TEST

START_TEST(configurations_for_lima_to_read) {
    static const char *const texts[] = {
        "",
        "x",
        "a: [",
        "cpus: 4",
        "images: []",
        "images: [a]\nbase: template:x",
        "images: [a]\n<<: {cpus: 4}",
        "images: [a]\ncpus: four",
        "images: [a]\ncpus: '4'",
        "images: [a]\nmemory: [4]",
        "images: [a]\nmounts: /p",
        "images: [a]\nmounts: [{location: '~'}]",
        "images: [a]\nmounts: [{location: '/{{.Name}}'}]",
        "images: [a]\nvmType: [qemu]",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CSB__AUTOLIMACONFIG c = {.locations = CSB__STRV_INIT};

        ck_assert_msg(csb__lima_config_read(texts[i], strlen(texts[i]), &c, NULL) == CSB_EPROTOCOL,
                      "%s", texts[i]);
    }
}
END_TEST

START_TEST(a_configuration_is_rewritten) {
    CSB__AUTOFREE char *text = NULL;
    CSB__AUTOLIMACONFIG c = {.locations = CSB__STRV_INIT};

    spec.disk = UINT64_C(5) << 30;
    ck_assert_int_eq(csb__lima_config_edit(YAML, strlen(YAML), &spec, &text, NULL), 0);
    ck_assert_int_eq(csb__lima_config_read(text, strlen(text), &c, NULL), 0);
    ck_assert_int_eq(c.cpus, 2);
    ck_assert_uint_eq(c.memory, UINT64_C(4) << 30);
    ck_assert_uint_eq(c.disk, UINT64_C(5) << 30);
    ck_assert_uint_eq(c.locations.len, 1);
    ck_assert_str_eq(c.locations.items[0], "/p \"q");
    ck_assert_ptr_nonnull(strstr(text, "script: |\n"));
    ck_assert_ptr_nonnull(strstr(text, "    echo \"a: b\" # c\n"));
    ck_assert_ptr_nonnull(strstr(text, "  localPort: 0\n"));
    ck_assert_ptr_nonnull(strstr(text, "  forwardAgent: false\n"));
    ck_assert_ptr_nonnull(strstr(text, "mountType: \"9p\"\n"));
    ck_assert_ptr_null(strstr(text, "60022"));
}
END_TEST

START_TEST(a_copy) {
    struct csb__qcow2 copy;
    struct csb__qcow2 base;
    struct csb__qcow2 layer;
    char path[2048];

    put_base();
    ck_assert_int_eq(clone_base(NULL), 0);
    ck_assert_uint_eq(fake.n_calls, 0);
    head_of(fake_path("vm", "disk"), &copy);
    head_of(fake_path("base", "disk"), &base);
    ck_assert_str_eq(copy.backing, base.backing);
    ck_assert_uint_eq(copy.size, UINT64_C(3) << 30);
    snprintf(path, sizeof(path), "%s/%s", fake_path("vm", NULL), copy.backing);
    head_of(path, &layer);
    ck_assert_str_eq(layer.backing, "");
    ck_assert(fake_has("vm", "lima-version") && fake_has("vm", "kernel") &&
              fake_has("vm", "kernel.cmdline"));
    ck_assert(!fake_has("vm", "cidata.iso") && !fake_has("vm", "ssh.config") &&
              !fake_has("vm", "protected"));
    ck_assert(fake_has("base", "protected"));
    ck_assert(!fake_has(".claude-sandbox-new", NULL));
}
END_TEST

START_TEST(copies_share_a_layer_until_the_base_is_used) {
    struct csb__qcow2 base;

    put_base();
    ck_assert_int_eq(clone_base(NULL), 0);
    rename_spec("two");
    ck_assert_int_eq(clone_base(NULL), 0);
    ck_assert_int_eq(count_layers(), 1);
    head_of(fake_path("base", "disk"), &base);
    ck_assert_int_eq(truncate(fake_path("base", "disk"), (off_t)CSB__QCOW2_OVERLAY + 65536), 0);
    rename_spec("three");
    ck_assert_int_eq(clone_base(NULL), 0);
    ck_assert_int_eq(count_layers(), 2);
    /* The first goes when nothing lies on it, directly or not. */
    ck_assert_int_eq(csb__lima_remove(&fake.env, "vm", fake.home, NULL), 0);
    ck_assert_int_eq(csb__lima_remove(&fake.env, "two", fake.home, NULL), 0);
    ck_assert_int_eq(count_layers(), 2);
    ck_assert_int_eq(unlink(fake_path("base", "protected")), 0);
    ck_assert_int_eq(csb__lima_remove(&fake.env, "base", fake.home, NULL), 0);
    ck_assert_int_eq(count_layers(), 2);
    ck_assert_int_eq(csb__lima_remove(&fake.env, "three", fake.home, NULL), 0);
    ck_assert_int_eq(count_layers(), 0);
}
END_TEST

START_TEST(nothing_goes_while_a_disk_can_not_be_read) {
    put_base();
    ck_assert_int_eq(clone_base(NULL), 0);
    ck_assert_int_eq(mkdir(fake_path("odd", NULL), 0700), 0);
    ck_assert_int_eq(symlink("disk", fake_path("odd", "disk")), 0);
    unlink(fake_path("base", "disk"));
    ck_assert_int_eq(csb__lima_remove(&fake.env, "vm", fake.home, NULL), 0);
    ck_assert_int_eq(count_layers(), 1);
}
END_TEST

static void by_limactl(const char *why) {
    int n = fake_called("clone|");

    fake_put("base", "status", "Stopped");
    fake.config =
        "{\"mounts\":[{\"location\":\"/p \\\"q\",\"mountPoint\":\"/mnt/claude-sandbox/0\","
        "\"writable\":true}],\"mountType\":\"9p\"}\n";
    ck_assert_msg(clone_base(NULL) == 0, "%s", why);
    ck_assert_msg(fake_called("clone|") == n + 1, "%s", why);
    ck_assert_msg(count_layers() == 0, "%s", why);
    ck_assert(!fake_has(".claude-sandbox-new", NULL));
    ck_assert_int_eq(csb__remove_tree(fake_path("vm", NULL), NULL), 0);
    unlink(fake_path("base", "status"));
    put_base();
}

START_TEST(what_is_left_to_limactl) {
    put_base();
    by_limactl("a file that is not known"); /* "status" itself */
    is_ours = false;
    by_limactl("somebody else's base");
}
END_TEST

static int refuse(const char *file, const char *text, csb_error **err) {
    struct csb__limactl l = {&fake.env, fake.home, true};
    int rc;

    if (text) {
        fake_put("base", file, text);
    }
    rc = csb__lima_overlay(&l, &spec, "base", err);
    ck_assert(!fake_has("vm", NULL) && !fake_has(".claude-sandbox-new", NULL));
    ck_assert_int_eq(count_layers(), 0);
    put_base();
    if (text && strcmp(file, "iso") == 0) {
        unlink(fake_path("base", file));
    }
    return rc;
}

START_TEST(bases_that_are_not_understood) {
    put_base();
    ck_assert_int_eq(refuse("iso", "x", NULL), CSB_ENOTSUP);
    ck_assert_int_eq(refuse("disk", "a raw disk", NULL), CSB_ENOTSUP);
    ck_assert_int_eq(refuse("lima.yaml", "images: [a]\nvmType: vz\n", NULL), CSB_ENOTSUP);
    ck_assert_int_eq(refuse("lima.yaml", "images: [a]\nadditionalDisks: [x]\n", NULL), CSB_ENOTSUP);
    ck_assert_int_eq(refuse("lima.yaml", "images: [a", NULL), CSB_ENOTSUP);
    put_disk("base", "/somewhere/else.qcow2", UINT64_C(3) << 30);
    ck_assert_int_eq(refuse("disk", NULL, NULL), CSB_ENOTSUP);
    spec.disk = UINT64_C(1) << 30;
    ck_assert_int_eq(refuse("disk", NULL, NULL), CSB_ENOTSUP);
    /* Its size is Lima's default, which only the disk itself says. */
    ck_assert_int_eq(refuse("lima.yaml", "images: [a]\nvmType: qemu\n", NULL), CSB_ENOTSUP);
}
END_TEST

START_TEST(a_running_base) {
    put_base();
    fake_live("-pidfile", "base", "qemu.pid");
    ck_assert_int_eq(refuse("disk", NULL, NULL), CSB_ENOTSUP);
}
END_TEST

/* Whatever an earlier one was killed at. */
START_TEST(leftovers) {
    struct csb__qcow2 base;

    put_base();
    fake_put(".claude-sandbox-new", "lima.yaml", "half");
    fake_put("base", "disk.tmp", "half");
    ck_assert_int_eq(mkdir(fake_path("_claude-sandbox", NULL), 0700), 0);
    ck_assert_int_eq(
        link(fake_path("base", "disk"), fake_path("_claude-sandbox", "0123456789abcdef.qcow2")), 0);
    ck_assert_int_eq(clone_base(NULL), 0);
    head_of(fake_path("base", "disk"), &base);
    ck_assert_ptr_null(strstr(base.backing, "0123456789abcdef"));
    ck_assert_int_eq(count_layers(), 2);
    ck_assert_int_eq(csb__lima_remove(&fake.env, "vm", fake.home, NULL), 0);
    ck_assert_int_eq(count_layers(), 1);
}
END_TEST

START_TEST(the_users_overrides_are_looked_at) {
    csb_error *err = NULL;

    put_base();
    ck_assert_int_eq(mkdir(fake_path("_config", NULL), 0700), 0);
    fake_put("_config", "override.yaml", "mounts: [{location: /}]\n");
    fake.config = "{\"mounts\":[{\"location\":\"/\"},{\"location\":\"/p\"}],\"mountType\":\"9p\"}";
    ck_assert_int_eq(clone_base(&err), CSB_EPROTOCOL);
    csb_error_free(err);
    ck_assert_uint_eq(fake.n_calls, 1);
    ck_assert(!fake_has("vm", NULL));
    ck_assert(fake_has("base", "disk"));
}
END_TEST

Suite *lima_overlay_suite(void);

Suite *lima_overlay_suite(void) {
    Suite *s = suite_create("lima_overlay");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_disk_of_ours);
    tcase_add_test(tc, a_configuration_is_read);
    tcase_add_test(tc, configurations_for_lima_to_read);
    tcase_add_test(tc, a_configuration_is_rewritten);
    tcase_add_test(tc, a_copy);
    tcase_add_test(tc, copies_share_a_layer_until_the_base_is_used);
    tcase_add_test(tc, nothing_goes_while_a_disk_can_not_be_read);
    tcase_add_test(tc, what_is_left_to_limactl);
    tcase_add_test(tc, bases_that_are_not_understood);
    tcase_add_test(tc, a_running_base);
    tcase_add_test(tc, leftovers);
    tcase_add_test(tc, the_users_overrides_are_looked_at);
    suite_add_tcase(s, tc);
    return s;
}
