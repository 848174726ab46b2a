/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/path.h"
#include "core/posix.h"
#include "engine/lima/instance_dir.h"
#include "engine/lima/parse.h"
#include "support.h"

static char dir[64];

static void make_dir(void) {
    strcpy(dir, "/tmp/csb-lima-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_dir(void) {
    ck_assert_int_eq(csb__remove_tree(dir, NULL), 0);
}

static char *in_dir(const char *name) {
    return csb__path_join(dir, name);
}

static void put(const char *name, const char *text) {
    char *path = in_dir(name);

    ck_assert_int_eq(csb__write_file(path, text, strlen(text), 0600, NULL), 0);
    free(path);
}

static bool is_there(const char *name) {
    char *path = in_dir(name);
    bool there = access(path, F_OK) == 0;

    free(path);
    return there;
}

static void door(const char *name, bool open) {
    struct csb__door d;

    ck_assert_int_eq(csb__lima_door(dir, name, &d, NULL), 0);
    ck_assert_int_eq(*d.ssh_config != '\0', open);
    ck_assert_int_eq(*d.ssh_host != '\0', open);
    ck_assert_int_eq(*d.control_path != '\0', open);
    if (open) {
        ck_assert_str_eq(d.ssh_host, "lima-my-vm-x");
        ck_assert_ptr_nonnull(strstr(d.control_path, "/ssh.sock"));
    }
    free(d.ssh_config);
    free(d.ssh_host);
    free(d.control_path);
}

START_TEST(the_door) {
    door("my.vm_x", false);
    put("ssh.config", "# no host\nHostname 127.0.0.1\n");
    door("my.vm_x", false);
    put("ssh.config", "# base's\nHost lima-my-vm-xy\n  Port 1\n");
    door("my.vm_x", false);
    put("ssh.config", "# ours\nHost lima-my-vm-x\n  Port 1\n");
    door("my.vm_x", true);
    put("ssh.config", "Host lima-my-vm-x");
    door("my.vm_x", true);
}
END_TEST

START_TEST(whether_it_boots) {
    ck_assert_int_eq(csb__lima_boot_state(dir), CSB__LIMA_NO_EVENTS);
    put("ha.stdout.log", "");
    ck_assert_int_eq(csb__lima_boot_state(dir), CSB__LIMA_BOOTING);
    put("ha.stdout.log", "{\"time\":\"T\",\"status\":{\"sshLocalPort\":1}}\n");
    ck_assert_int_eq(csb__lima_boot_state(dir), CSB__LIMA_BOOTING);
    put("ha.stdout.log", "{\"time\":\"T\",\"status\":{\"running\":true}}\n");
    ck_assert_int_eq(csb__lima_boot_state(dir), CSB__LIMA_READY);
}
END_TEST

START_TEST(the_console_is_short_and_to_the_point) {
    CSB__AUTOSTRBUF big = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF out = CSB__STRBUF_INIT;

    csb__lima_dir_console(dir, &out);
    ck_assert_uint_eq(out.len, 0);
    for (int i = 0; i < 3000; i++) {
        csb__strbuf_puts(&big, "kernel talk\n");
    }
    csb__strbuf_puts(&big, "Kernel panic\n");
    put("serial.log", big.data);
    put("serialv.log", "");
    put("ha.stderr.log", "{\"level\":\"fatal\",\"msg\":\"the end\"}\n"
                         "{\"level\":\"debug\",\"msg\":\"Time sync\"}\n");
    csb__lima_dir_console(dir, &out);
    ck_assert_ptr_nonnull(strstr(out.data, "--- the end of serial.log ---\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "Kernel panic\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "the end\"}"));
    ck_assert_ptr_null(strstr(out.data, "Time sync"));
    ck_assert_ptr_null(strstr(out.data, "serialv.log"));
    ck_assert_uint_le(out.len, 8192);
}
END_TEST

START_TEST(traces_go_and_the_rest_stays) {
    static const char *const names[] = {
        "ha.pid",     "qemu.pid",      "ha.sock",       "ssh.sock",   "lima.yaml",   "disk",
        "ssh.config", "ha.stdout.log", "ha.stderr.log", "serial.log", "serialv.log", "protected",
        NULL};

    for (int i = 0; names[i]; i++) {
        put(names[i], "x");
    }
    ck_assert(csb__lima_dir_protected(dir));
    csb__lima_dir_clear_traces(dir);
    for (int i = 0; names[i]; i++) {
        ck_assert_msg(is_there(names[i]) == (i >= 4), "%s", names[i]);
    }
    csb__lima_dir_forget_runs(dir);
    for (int i = 0; names[i]; i++) {
        ck_assert_msg(is_there(names[i]) == (i == 4 || i == 5 || i == 11), "%s", names[i]);
    }
}
END_TEST

START_TEST(a_move_that_limactl_began_is_finished) {
    char *to = in_dir("to");
    char *from = in_dir("from");
    CSB__AUTOFREE char *moved = test_join(to, "lima.yaml");
    CSB__AUTOFREE char *mark = test_join(from, "protected");
    CSB__AUTOFREE char *config = test_join(from, "lima.yaml");
    CSB__AUTOFREE char *disk = test_join(to, "disk");
    CSB__AUTOFREE char *other = test_join(from, "disk");

    ck_assert(mkdir(to, 0700) == 0 && mkdir(from, 0700) == 0);
    test_write(disk, "moved", 0600);
    test_write(config, "x", 0600);
    test_write(mark, "", 0400);
    /* What is there already is somebody's. */
    test_write(other, "mine", 0600);
    ck_assert_int_eq(csb__lima_dir_move(from, to, NULL), CSB_EEXISTS);
    ck_assert_int_eq(unlink(other), 0);
    ck_assert_int_eq(csb__lima_dir_move(from, to, NULL), 0);
    ck_assert(test_exists(moved) && !test_exists(from));
    free(to);
    free(from);
}
END_TEST

START_TEST(only_a_directory_is_one) {
    char *path = in_dir("link");

    ck_assert(csb__lima_dir_exists(dir));
    ck_assert_int_eq(symlink(dir, path), 0);
    ck_assert(!csb__lima_dir_exists(path));
    ck_assert(!csb__lima_dir_exists("/nonexistent"));
    csb__lima_dir_clear_traces("/nonexistent");
    free(path);
}
END_TEST

Suite *lima_instance_dir_suite(void);

Suite *lima_instance_dir_suite(void) {
    Suite *s = suite_create("lima_instance_dir");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, make_dir, remove_dir);
    tcase_add_test(tc, the_door);
    tcase_add_test(tc, whether_it_boots);
    tcase_add_test(tc, the_console_is_short_and_to_the_point);
    tcase_add_test(tc, traces_go_and_the_rest_stays);
    tcase_add_test(tc, a_move_that_limactl_began_is_finished);
    tcase_add_test(tc, only_a_directory_is_one);
    suite_add_tcase(s, tc);
    return s;
}
