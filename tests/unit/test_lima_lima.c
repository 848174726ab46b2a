/* SPDX-License-Identifier: MIT */
#include "test_lima_fake.h"

#include <claudesandbox/vm.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "engine/lima/lima.h"

static const struct csb__engine *const lima = &csb__engine_lima;

START_TEST(the_home) {
    CSB__AUTOFREE char *home = NULL;
    CSB__AUTOFREE char *own = NULL;
    char want[128];

    ck_assert_int_eq(lima->home(&fake.env, &home, NULL), 0);
    ck_assert_str_eq(home, fake.home);
    setenv("LIMA_HOME", "", 1);
    ck_assert_int_eq(lima->home(&fake.env, &own, NULL), 0);
    snprintf(want, sizeof(want), "%s/lima", fake.state);
    ck_assert_str_eq(own, want);
}
END_TEST

START_TEST(a_home_that_can_not_be_written_down) {
    static const char *const paths[] = {"/tmp/\xff", "/tmp/a\nb", "/tmp/${HOME}"};

    for (size_t i = 0; i < 3; i++) {
        char *home = NULL;
        csb_error *err = NULL;

        setenv("LIMA_HOME", paths[i], 1);
        ck_assert_int_eq(lima->home(&fake.env, &home, &err), CSB_EINVAL);
        ck_assert_str_eq(csb_error_hint(err), "set LIMA_HOME to another path");
        ck_assert_ptr_null(home);
        csb_error_free(err);
        /* Told as what it is, and not as a path that is too long. */
        ck_assert_uint_gt(lima->name_max(&fake.env), 0);
    }
}
END_TEST

START_TEST(the_home_is_real) {
    char link[96];
    char sub[128];
    char want[128];
    CSB__AUTOFREE char *home = NULL;
    CSB__AUTOFREE char *yet = NULL;

    snprintf(link, sizeof(link), "%s/link", fake.root);
    ck_assert_int_eq(symlink(fake.home, link), 0);
    setenv("LIMA_HOME", link, 1);
    ck_assert_int_eq(lima->home(&fake.env, &home, NULL), 0);
    ck_assert_str_eq(home, fake.home);
    /* Also what is yet to be made. */
    snprintf(sub, sizeof(sub), "%s/new", link);
    snprintf(want, sizeof(want), "%s/new", fake.home);
    setenv("LIMA_HOME", sub, 1);
    ck_assert_int_eq(lima->home(&fake.env, &yet, NULL), 0);
    ck_assert_str_eq(yet, want);
}
END_TEST

START_TEST(names_fit_into_socket_paths) {
#ifdef __APPLE__
    const size_t max = 104;
#else
    const size_t max = 108;
#endif
    char home[128];
    size_t n = lima->name_max(&fake.env);

    ck_assert_uint_le(n, 58);
    memset(home, 'h', sizeof(home));
    home[0] = '/';
    home[61] = '\0';
    setenv("LIMA_HOME", home, 1);
    n = lima->name_max(&fake.env);
    /* Lima: must be less than UNIX_PATH_MAX. */
    ck_assert_uint_eq(61 + 1 + n + strlen("/ssh.sock.1234567890123456"), max - 1);
    home[61] = 'h';
    home[100] = '\0';
    setenv("LIMA_HOME", home, 1);
    ck_assert_uint_eq(lima->name_max(&fake.env), 0);
}
END_TEST

static void state(const char *name, const char *status, int want) {
    struct csb__machine m = {0};

    fake_machine(name, status);
    ck_assert_int_eq(lima->inspect(&fake.env, name, fake.home, &m, NULL), 0);
    ck_assert_msg(m.state == want, "%s: %d", status, m.state);
    ck_assert_int_eq(m.reason != NULL, want == CSB_VM_BROKEN);
    csb__machine_finish(&m);
}

START_TEST(states) {
    state("vm", "Stopped", CSB_VM_STOPPED);
    state("vm", "Running", CSB_VM_RUNNING);
    state("vm", "Installing", CSB_VM_STARTING);
    state("vm", "Uninitialized", CSB_VM_STARTING);
    state("vm", "", CSB_VM_BROKEN);
    state("vm", "Broken", CSB_VM_STOPPED); /* for nothing of it runs */
    fake_live("-pidfile", "vm", "qemu.pid");
    state("vm", "Broken", CSB_VM_BROKEN);
    state("vm", "Something", CSB_VM_BROKEN);
    fake_put("vm", "ha.stdout.log", "{\"status\":{\"sshLocalPort\":1}}\n");
    state("vm", "Running", CSB_VM_STARTING);
    fake_put("vm", "ha.stdout.log", "{\"status\":{\"running\":true}}\n");
    state("vm", "Running", CSB_VM_RUNNING);
}
END_TEST

START_TEST(a_machine_is_described) {
    struct csb__machine m = {0};

    fake_machine("vm", "Stopped");
    ck_assert_int_eq(lima->inspect(&fake.env, "vm", fake.home, &m, NULL), 0);
    ck_assert_int_eq(m.cpus, 2);
    ck_assert_uint_eq(m.memory, UINT64_C(1) << 30);
    ck_assert_uint_eq(m.disk, UINT64_C(6) << 30);
    ck_assert_str_eq(m.door.ssh_config, "");
    csb__machine_finish(&m);
    fake_put("vm", "ssh.config", "Host lima-vm\n");
    ck_assert_int_eq(lima->inspect(&fake.env, "vm", fake.home, &m, NULL), 0);
    ck_assert_str_eq(m.door.ssh_config, fake_path("vm", "ssh.config"));
    ck_assert_str_eq(m.door.ssh_host, "lima-vm");
    ck_assert_str_eq(m.door.control_path, fake_path("vm", "ssh.sock"));
    csb__machine_finish(&m);
}
END_TEST

START_TEST(what_a_machine_takes_up_and_since_when) {
    struct csb__machine m = {0};
    uint64_t before;
    char text[100001];
    struct stat st;

    fake_machine("vm", "Stopped");
    fake_put("vm", "ha.pid", "1\n"); /* left by a host agent that was killed */
    ck_assert_int_eq(lima->inspect(&fake.env, "vm", fake.home, &m, NULL), 0);
    ck_assert_int_eq(m.started, 0);
    before = m.disk_used;
    csb__machine_finish(&m);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    fake_put("vm", "disk", text);
    fake_machine("vm", "Running");
    ck_assert_int_eq(lima->inspect(&fake.env, "vm", fake.home, &m, NULL), 0);
    ck_assert_uint_ge(m.disk_used, before + sizeof(text) - 1);
    ck_assert_int_eq(stat(fake_path("vm", "ha.pid"), &st), 0);
    ck_assert_int_eq(m.started, st.st_mtime);
    csb__machine_finish(&m);
}
END_TEST

START_TEST(a_missing_machine_is_not_asked_for) {
    struct csb__machine m = {0};
    csb_error *err = NULL;

    ck_assert_int_eq(lima->inspect(&fake.env, "vm", fake.home, &m, &err), CSB_ENOTFOUND);
    ck_assert_ptr_nonnull(strstr(csb_error_message(err), "vm"));
    ck_assert_uint_eq(fake.n_calls, 0);
    csb_error_free(err);
}
END_TEST

static int answer_fatal(const char *const *args, struct csb__run_result *ret, csb_error **err) {
    (void)args;
    (void)err;
    csb__strbuf_puts(&ret->out, "{\"name\":\"a\",\"status\":\"Stopped\",\"vmType\":\"qemu\"}\n"
                                "{\"na");
    return fake_fatal(ret, "the disk is on fire");
}

START_TEST(a_failing_limactl_is_no_missing_machine) {
    struct csb__machine m = {0};
    csb_error *err = NULL;

    fake_machine("vm", "Stopped");
    fake.answer = answer_fatal;
    ck_assert_int_eq(lima->inspect(&fake.env, "vm", fake.home, &m, &err), CSB_EENGINE);
    ck_assert_str_eq(csb_error_message(err), "limactl list: the disk is on fire");
    csb_error_free(err);
}
END_TEST

static int answer_garbage(const char *const *args, struct csb__run_result *ret, csb_error **err) {
    (void)args;
    (void)err;
    return fake_say(ret, "NAME STATUS\nvm   Running\n");
}

START_TEST(garbage_is_told) {
    struct csb__machine m = {0};

    fake_machine("vm", "Stopped");
    fake.answer = answer_garbage;
    ck_assert_int_eq(lima->inspect(&fake.env, "vm", fake.home, &m, NULL), CSB_EPROTOCOL);
}
END_TEST

START_TEST(many_at_once) {
    const char *names[] = {"a", "missing", "b"};
    struct csb__machine m[3];
    int codes[3];

    ck_assert_int_eq(lima->inspect_all(&fake.env, names, 3, fake.home, m, codes, NULL), 0);
    ck_assert_uint_eq(fake.n_calls, 0);
    ck_assert_int_eq(codes[0], CSB_ENOTFOUND);
    fake_machine("a", "Stopped");
    fake_machine("b", "");
    ck_assert_int_eq(lima->inspect_all(&fake.env, names, 3, fake.home, m, codes, NULL), 0);
    ck_assert_uint_eq(fake.n_calls, 1);
    ck_assert_int_eq(codes[0], 0);
    ck_assert_int_eq(codes[1], CSB_ENOTFOUND);
    ck_assert_int_eq(codes[2], 0);
    ck_assert_int_eq(m[0].state, CSB_VM_STOPPED);
    ck_assert_int_eq(m[1].state, 0);
    ck_assert_int_eq(m[2].state, CSB_VM_BROKEN);
    ck_assert_str_eq(m[2].reason, "some error");
    for (int i = 0; i < 3; i++) {
        csb__machine_finish(&m[i]);
    }
    fake.answer = answer_fatal;
    ck_assert_int_eq(lima->inspect_all(&fake.env, names, 3, fake.home, m, codes, NULL), 0);
    ck_assert_int_eq(codes[1], CSB_ENOTFOUND);
    ck_assert_int_eq(codes[2], CSB_EENGINE);
    ck_assert_ptr_nonnull(strstr(m[2].reason, "limactl list: "));
    for (int i = 0; i < 3; i++) {
        csb__machine_finish(&m[i]);
    }
}
END_TEST

#define YAML "images: [{location: /i}]\nvmType: qemu\ncpus: 3\nmemory: 2GiB\ndisk: 9GiB\n"

static void look(int want, size_t calls) {
    struct csb__machine m = {0};

    ck_assert_int_eq(lima->inspect(&fake.env, "vm", fake.home, &m, NULL), 0);
    ck_assert_int_eq(m.state, want);
    ck_assert_uint_eq(fake.n_calls, calls);
    csb__machine_finish(&m);
}

static int listen_at(const char *path) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    return fd;
}

START_TEST(what_is_plain_limactl_is_not_asked) {
    struct csb__machine m = {0};
    int fd;

    fake_put("vm", "lima.yaml", YAML);
    fake_put("vm", "status", "Running");
    fake_put("vm", "ha.pid", "1\n"); /* somebody else's by now */
    ck_assert_int_eq(lima->inspect(&fake.env, "vm", fake.home, &m, NULL), 0);
    ck_assert_int_eq(m.state, CSB_VM_STOPPED);
    ck_assert_int_eq(m.cpus, 3);
    ck_assert_uint_eq(m.memory, UINT64_C(2) << 30);
    ck_assert_uint_eq(m.disk, UINT64_C(9) << 30);
    csb__machine_finish(&m);
    fd = listen_at(fake_path("vm", "ha.sock"));
    fake_put("vm", "ha.stdout.log", "{\"status\":{\"sshLocalPort\":1}}\n");
    fake_live("-pidfile", "vm", "qemu.pid");
    look(CSB_VM_STARTING, 1); /* half of it: what limactl says */
    fake_live("--pidfile", "vm", "ha.pid");
    look(CSB_VM_STARTING, 1);
    fake_put("vm", "ha.stdout.log", "{\"status\":{\"running\":true}}\n");
    look(CSB_VM_RUNNING, 1);
    ck_assert_int_eq(unlink(fake_path("vm", "ha.sock")), 0);
    look(CSB_VM_RUNNING, 2); /* a host agent that does not answer */
    close(fd);
}
END_TEST

START_TEST(what_is_not_plain) {
    fake_put("vm", "status", "Stopped");
    fake_put("vm", "lima.yaml", "images: [{location: /i}]\n"); /* of Lima's own sizes */
    look(CSB_VM_STOPPED, 1);
    fake_put("vm", "file", "");
    fake_put("vm", "lima.yaml", YAML "mounts: [{location: /dev/null}]\n");
    look(CSB_VM_STOPPED, 2);
    fake_put("vm", "lima.yaml", YAML "mounts: [{location: /nowhere/at/all}]\n");
    look(CSB_VM_STOPPED, 2);
    ck_assert_int_eq(mkdir(fake_path("_config", NULL), 0700), 0);
    fake_put("_config", "default.yaml", "cpus: 9\n");
    look(CSB_VM_STOPPED, 3);
}
END_TEST

START_TEST(where_mounts_are) {
    struct csb__spec spec = {0};
    char *point;

    ck_assert_int_eq(csb__spec_add_mount(&spec, "/a", "/home/u/a", true, NULL), 0);
    ck_assert_int_eq(csb__spec_add_mount(&spec, "/b", "/home/u/b c", true, NULL), 0);
    ck_assert_ptr_null(lima->mount_point(&spec, 0));
    point = lima->mount_point(&spec, 1);
    ck_assert_str_eq(point, "/mnt/claude-sandbox/1");
    free(point);
    csb__spec_finish(&spec);
}
END_TEST

Suite *lima_lima_suite(void);

Suite *lima_lima_suite(void) {
    Suite *s = suite_create("lima_lima");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, fake_setup, fake_teardown);
    tcase_add_test(tc, the_home);
    tcase_add_test(tc, the_home_is_real);
    tcase_add_test(tc, a_home_that_can_not_be_written_down);
    tcase_add_test(tc, names_fit_into_socket_paths);
    tcase_add_test(tc, states);
    tcase_add_test(tc, a_machine_is_described);
    tcase_add_test(tc, what_a_machine_takes_up_and_since_when);
    tcase_add_test(tc, a_missing_machine_is_not_asked_for);
    tcase_add_test(tc, a_failing_limactl_is_no_missing_machine);
    tcase_add_test(tc, garbage_is_told);
    tcase_add_test(tc, many_at_once);
    tcase_add_test(tc, what_is_plain_limactl_is_not_asked);
    tcase_add_test(tc, what_is_not_plain);
    tcase_add_test(tc, where_mounts_are);
    suite_add_tcase(s, tc);
    return s;
}
