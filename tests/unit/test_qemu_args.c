/* SPDX-License-Identifier: MIT */
#include "engine/qemu/args.h"

#include <stdio.h>
#include <string.h>

#include "support.h"

static const struct csb__qemu_args plain = {
    .program = "/usr/bin/qemu",
    .name = "web",
    .dir = "/state/qemu/web",
    .run_dir = "/state/run/01234567",
    .kernel = "/image/vmlinuz",
    .initrd = "/image/initrd",
    .kernel_args = "root=/dev/vda quiet",
    .cpus = 3,
    .memory = UINT64_C(1536) << 20,
    .kvm = true,
    .ram_fd = 7,
    .mac = "52:54:00:01:02:03",
};

static int count(const struct csb__strv *argv, const char *option, const char *begin) {
    int n = 0;

    for (size_t i = 0; i + 1 < argv->len; i++) {
        n += strcmp(argv->items[i], option) == 0 &&
             strncmp(argv->items[i + 1], begin, strlen(begin)) == 0;
    }
    return n;
}

static void make_spec(struct csb__spec *spec, const char *path, bool writable) {
    *spec = (struct csb__spec){0};
    ck_assert_int_eq(csb__spec_add_mount(spec, "/p", "/p", true, NULL), 0);
    ck_assert_int_eq(csb__spec_add_mount(spec, path, "/q", writable, NULL), 0);
}

#define AUTOSPEC CSB__CLEANUP(csb__spec_finish) struct csb__spec

START_TEST(the_machine) {
    AUTOSPEC spec;
    CSB__AUTOSTRV argv = CSB__STRV_INIT;

    make_spec(&spec, "/data", false);
    csb__qemu_argv(&argv, &plain, &spec);
    ck_assert(!argv.failed);
    ck_assert_str_eq(argv.items[0], "/usr/bin/qemu");
    ck_assert(test_has_words(&argv, "-nodefaults", "-no-user-config", NULL));
    ck_assert(test_has_words(&argv, "-accel", "kvm", "-cpu", "host", NULL));
    ck_assert(test_has_words(&argv, "-smp", "3", "-m", "1536M", NULL));
    ck_assert(test_has_words(
        &argv, "-object",
        "memory-backend-file,id=mem0,share=on,size=1536M,mem-path=/proc/self/fd/7", NULL));
    ck_assert(!test_has(&argv, "-incoming"));
    ck_assert(test_has_words(&argv, "-kernel", "/image/vmlinuz", NULL));
    ck_assert(test_has_words(&argv, "-initrd", "/image/initrd", NULL));
    ck_assert(test_has_words(&argv, "-append", "root=/dev/vda quiet", NULL));
    ck_assert(test_has_words(&argv, "-pidfile", "/state/qemu/web/pid", NULL));
    ck_assert(test_has(&argv, "-S"));
    ck_assert_int_eq(count(&argv, "-sandbox", "on,"), 1);
}
END_TEST

START_TEST(without_kvm_it_is_emulated) {
    AUTOSPEC spec;
    CSB__AUTOSTRV argv = CSB__STRV_INIT;
    struct csb__qemu_args a = plain;

    a.kvm = false;
    make_spec(&spec, "/data", false);
    csb__qemu_argv(&argv, &a, &spec);
    ck_assert(test_has_words(&argv, "-accel", "tcg,thread=multi,tb-size=128", "-cpu", "max", NULL));
}
END_TEST

START_TEST(only_the_hosts_loopback_is_opened) {
    AUTOSPEC spec;
    CSB__AUTOSTRV argv = CSB__STRV_INIT;

    make_spec(&spec, "/data", false);
    csb__qemu_argv(&argv, &plain, &spec);
    ck_assert_int_eq(count(&argv, "-netdev", "user,id=n0,ipv6=off,hostfwd=tcp:127.0.0.1:0-:22"), 1);
    ck_assert_int_eq(count(&argv, "-netdev", ""), 1);
    for (size_t i = 0; i < argv.len; i++) {
        ck_assert_ptr_null(strstr(argv.items[i], "0.0.0.0"));
    }
}
END_TEST

START_TEST(one_share_a_mount_and_slots_for_all) {
    AUTOSPEC spec;
    CSB__AUTOSTRV argv = CSB__STRV_INIT;
    int names = 0;

    make_spec(&spec, "/data", false);
    csb__qemu_argv(&argv, &plain, &spec);
    ck_assert_int_eq(count(&argv, "-fsdev", ""), 2);
    ck_assert(test_has_words(&argv, "-fsdev",
                             "local,id=share0,security_model=none,multidevs=remap,path=/p", NULL));
    ck_assert(test_has_words(&argv, "-fsdev",
                             "local,id=share1,security_model=none,multidevs=remap,path=/data,"
                             "readonly=on",
                             NULL));
    ck_assert_int_eq(count(&argv, "-device", "pcie-root-port,"), CSB__MOUNTS_MAX + 1);
    while (csb__fw_cfg_names[names]) {
        char expected[160];

        snprintf(expected, sizeof(expected),
                 "name=opt/org.claudesandbox/%s,file=/state/qemu/web/fw_cfg/%s",
                 csb__fw_cfg_names[names], csb__fw_cfg_names[names]);
        ck_assert(test_has_words(&argv, "-fw_cfg", expected, NULL));
        names++;
    }
    ck_assert_int_eq(count(&argv, "-fw_cfg", ""), names);
}
END_TEST

/* In QEMU's option strings a single comma would begin an option of the path's choice. */
START_TEST(commas_in_paths_begin_no_option) {
    AUTOSPEC spec;
    CSB__AUTOSTRV argv = CSB__STRV_INIT;
    struct csb__qemu_args a = plain;
    const char *needle = ",readonly=off";

    a.dir = "/state,readonly=off/web";
    a.run_dir = "/run,readonly=off/x";
    make_spec(&spec, "/data,readonly=off,,x", false);
    csb__qemu_argv(&argv, &a, &spec);
    ck_assert(test_has_words(&argv, "-fsdev",
                             "local,id=share1,security_model=none,multidevs=remap,"
                             "path=/data,,readonly=off,,,,x,readonly=on",
                             NULL));
    for (size_t i = 0; i < argv.len; i++) {
        const char *at = strstr(argv.items[i], needle);

        /* -pidfile takes a path and nothing else. */
        if (i > 0 && strcmp(argv.items[i - 1], "-pidfile") == 0) {
            continue;
        }
        for (; at; at = strstr(at + 1, needle)) {
            ck_assert_msg(at > argv.items[i] && at[-1] == ',', "%s", argv.items[i]);
        }
    }
    ck_assert(test_has_words(&argv, "-pidfile", "/state,readonly=off/web/pid", NULL));
}
END_TEST

START_TEST(shares_are_plugged_into_their_slots) {
    json_t *d = csb__qemu_share_device(7, false);

    ck_assert_str_eq(json_string_value(json_object_get(d, "driver")), "virtio-9p-pci");
    ck_assert_str_eq(json_string_value(json_object_get(d, "fsdev")), "share7");
    ck_assert_str_eq(json_string_value(json_object_get(d, "mount_tag")), "share7");
    ck_assert_str_eq(json_string_value(json_object_get(d, "bus")), "port7");
    json_decref(d);
}
END_TEST

START_TEST(mount_lines_are_four_words) {
    static const struct {
        const char *path;
        const char *encoded;
    } table[] = {
        {"/home/u/web-1_2.3", "/home/u/web-1_2.3"},
        {"/a b", "/a%20b"},
        {"/a\nb\tc", "/a%0Ab%09c"},
        {"/100%", "/100%25"},
        {"/\xc3\xa9,=\\'\"", "/%C3%A9%2C%3D%5C%27%22"},
        {"/\x01\x7f\xff", "/%01%7F%FF"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct csb__mount m = {(char *)"/host", (char *)table[i].path, i % 2};
        CSB__AUTOSTRBUF back = CSB__STRBUF_INIT;
        CSB__AUTOSTRBUF out = CSB__STRBUF_INIT;
        char tag[16];
        char type[8];
        char options[128];
        char path[128];
        int end = 0;

        csb__qemu_mount_line(&out, &m, i, false);
        ck_assert_int_eq(sscanf(csb__strbuf_text(&out), "%15s %7s %127s %127s%n", tag, type,
                                options, path, &end),
                         4);
        ck_assert_str_eq(csb__strbuf_text(&out) + end, "");
        ck_assert_int_eq(strncmp(tag, "share", 5), 0);
        ck_assert_int_eq(atoi(tag + 5), (int)i);
        ck_assert_str_eq(type, "9p");
        ck_assert_int_eq(strncmp(options, i % 2 ? "rw," : "ro,", 3), 0);
        ck_assert_str_eq(path, table[i].encoded);
        csb__qemu_decode(&back, path);
        ck_assert_str_eq(csb__strbuf_text(&back), table[i].path);
    }
}
END_TEST

Suite *qemu_args_suite(void);
Suite *qemu_args_suite(void) {
    Suite *s = suite_create("qemu_args");
    TCase *tc = test_case(s, "qemu_args");

    tcase_add_test(tc, the_machine);
    tcase_add_test(tc, without_kvm_it_is_emulated);
    tcase_add_test(tc, only_the_hosts_loopback_is_opened);
    tcase_add_test(tc, one_share_a_mount_and_slots_for_all);
    tcase_add_test(tc, commas_in_paths_begin_no_option);
    tcase_add_test(tc, shares_are_plugged_into_their_slots);
    tcase_add_test(tc, mount_lines_are_four_words);
    return s;
}
