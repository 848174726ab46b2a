/* SPDX-License-Identifier: MIT */
#include <claudesandbox/vm.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "fake_vm.h"
#include "store.h"

/* A port of the kernel's choice that somebody listens on, or nobody any more. */
static uint16_t some_port(int *listener) {
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    if (listener) {
        *listener = fd;
    } else {
        close(fd);
    }
    return ntohs(addr.sin_port);
}

static void check_recorded(struct fake_vm *f, size_t n, uint16_t first) {
    CSB__AUTORECORD r = {0};

    ck_assert_int_eq(csb__store_load(&f->ctx.env, "web", &r, NULL), 0);
    ck_assert_uint_eq(r.spec.n_ports, n);
    ck_assert_uint_eq(n ? r.spec.ports[0].host : 0, first);
}

START_TEST(a_stopped_one_has_them_from_its_next_start) {
    AUTOVM f;
    csb_port port = {some_port(NULL), 80};

    fake_vm_make(&f, NULL, 0);
    ck_assert_int_eq(csb_vm_set_ports(&f.vm, &port, 1, NULL), 0);
    ck_assert_uint_eq(f.runner.n_calls, 0);
    check_recorded(&f, 1, port.host);
    ck_assert_int_eq(csb_vm_set_ports(&f.vm, NULL, 0, NULL), 0);
    check_recorded(&f, 0, 0);
}
END_TEST

START_TEST(a_running_one_has_them_at_once) {
    AUTOVM f;
    csb_port one = {some_port(NULL), 80};
    csb_port two = {some_port(NULL), 81};
    const struct test_call *calls = f.runner.calls;

    fake_vm_make(&f, NULL, 0);
    fake_vm_run(&f);
    /* The connection, then the forward. */
    ck_assert_int_eq(csb_vm_set_ports(&f.vm, &one, 1, NULL), 0);
    ck_assert_uint_eq(f.runner.n_calls, 2);
    ck_assert(test_has_words(&calls[1].argv, "-O", "forward", "-L", NULL));
    /* The same again is nothing to do. */
    ck_assert_int_eq(csb_vm_set_ports(&f.vm, &one, 1, NULL), 0);
    ck_assert_uint_eq(f.runner.n_calls, 2);
    /* Others take their place. */
    ck_assert_int_eq(csb_vm_set_ports(&f.vm, &two, 1, NULL), 0);
    ck_assert_uint_eq(f.runner.n_calls, 5);
    ck_assert(test_has_words(&calls[3].argv, "-O", "cancel", "-L", NULL));
    ck_assert(test_has_words(&calls[4].argv, "-O", "forward", "-L", NULL));
    check_recorded(&f, 1, two.host);
}
END_TEST

START_TEST(our_own_are_not_in_our_way) {
    AUTOVM f;
    int listener = -1;
    csb_port ports[2] = {{some_port(NULL), 80}, {some_port(NULL), 81}};
    csb_port taken = {some_port(&listener), 80};

    fake_vm_make(&f, NULL, 0);
    /* As if it were forwarded by us, and therefore in use. */
    ck_assert_int_eq(csb_vm_set_ports(&f.vm, ports, 2, NULL), 0);
    f.vm.record.spec.ports[0].host = taken.host;
    ck_assert_int_eq(csb__store_save(&f.ctx.env, &f.vm.record, NULL), 0);
    fake_vm_run(&f);
    ck_assert_int_eq(csb_vm_set_ports(&f.vm, &taken, 1, NULL), 0);
    close(listener);
}
END_TEST

START_TEST(what_is_refused_changes_nothing) {
    AUTOVM f;
    CSB__AUTOERROR csb_error *e = NULL;
    int listener = -1;
    csb_port busy = {some_port(&listener), 80};
    csb_port good = {some_port(NULL), 80};
    csb_port zero = {0, 80};
    csb_port twice[2] = {good, {good.host, 81}};

    fake_vm_make(&f, NULL, 0);
    ck_assert_int_eq(csb_vm_set_ports(&f.vm, &good, 1, NULL), 0);
    ck_assert_int_eq(csb_vm_set_ports(&f.vm, &zero, 1, NULL), CSB_EINVAL);
    ck_assert_int_eq(csb_vm_set_ports(&f.vm, twice, 2, NULL), CSB_EINVAL);
    ck_assert_int_eq(csb_vm_set_ports(&f.vm, NULL, 1, NULL), CSB_EINVAL);
    ck_assert_int_eq(csb_vm_set_ports(&f.vm, twice, 1000, NULL), CSB_EINVAL);
    ck_assert_int_eq(csb_vm_set_ports(&f.vm, &busy, 1, &e), CSB_EBUSY);
    test_check_error(e, CSB_EBUSY, "is in use");
    check_recorded(&f, 1, good.host);
    close(listener);
}
END_TEST

START_TEST(what_ssh_does_not_forward_is_said) {
    static const struct test_answer answers[] = {{.status = 0},
                                                 {.status = 255, .errout = "refused\n"}};
    AUTOVM f;
    CSB__AUTOERROR csb_error *e = NULL;
    csb_port port = {some_port(NULL), 80};

    fake_vm_make(&f, answers, 2);
    fake_vm_run(&f);
    ck_assert_int_eq(csb_vm_set_ports(&f.vm, &port, 1, &e), CSB_EENGINE);
    test_check_error(e, CSB_EENGINE, "refused");
}
END_TEST

Suite *vm_ports_suite(void);
Suite *vm_ports_suite(void) {
    Suite *s = suite_create("vm_ports");
    TCase *tc = test_case(s, "vm_ports");

    tcase_add_test(tc, a_stopped_one_has_them_from_its_next_start);
    tcase_add_test(tc, a_running_one_has_them_at_once);
    tcase_add_test(tc, our_own_are_not_in_our_way);
    tcase_add_test(tc, what_is_refused_changes_nothing);
    tcase_add_test(tc, what_ssh_does_not_forward_is_said);
    return s;
}
