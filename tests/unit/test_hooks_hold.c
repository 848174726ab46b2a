/* SPDX-License-Identifier: MIT */
/* Answers that are given after the callback has returned. */
#include <claudesandbox/hooks.h>

#include <string.h>
#include <sys/socket.h>

#include "hooks_kind.h"
#include "hooks_world.h"

/* Asks for a permission that the listener holds. */
static int ask_and_hold(struct world *w, const char *vm) {
    int fd = world_client(w, vm);
    int before = w->n_held;

    w->hold = true;
    world_say_event(w, fd, PERMIT);
    for (int i = 0; i < 100 && w->n_held == before; i++) {
        world_dispatch(w, 100);
    }
    ck_assert_int_eq(w->n_held, before + 1);
    return fd;
}

static void check_answer(struct world *w, int fd, const char *part) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;

    world_hear(w, fd, &text);
    ck_assert_ptr_eq(strstr(text.data, "HTTP/1.1 200 OK\r\n"), text.data);
    ck_assert_msg(strstr(text.data, part) != NULL, "%s", text.data);
}

static void wait_until_given_up(struct world *w, const csb_reply *held) {
    for (int i = 0; i < 100 && csb_reply_waits(held); i++) {
        world_dispatch(w, 100);
    }
    ck_assert_int_eq(csb_reply_waits(held), 0);
}

START_TEST(an_answer_can_come_later) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTOCLOSE int fd = -1;
    AUTOWORLD w;

    world_make(&w);
    world_open(&w, NULL);
    fd = ask_and_hold(&w, "one");
    /* Others go on meanwhile. */
    w.hold = false;
    ck_assert_int_eq(world_ask(&w, "one", PRE, NULL), 200);
    world_hear_for(&w, fd, &text, 0);
    ck_assert_uint_eq(text.len, 0);
    ck_assert_int_eq(csb_reply_waits(w.held[0]), 1);
    ck_assert_int_eq(csb_reply_allow(w.held[0], NULL), 0);
    ck_assert_int_eq(csb_reply_send(w.held[0], NULL), 0);
    check_answer(&w, fd, "\"behavior\":\"allow\"");
}
END_TEST

START_TEST(what_was_said_before_is_kept) {
    CSB__AUTOCLOSE int fd = -1;
    AUTOWORLD w;

    world_make(&w);
    world_open(&w, NULL);
    w.deny = true;
    fd = ask_and_hold(&w, "one");
    ck_assert_int_eq(csb_reply_send(w.held[0], NULL), 0);
    check_answer(&w, fd, "\"behavior\":\"deny\",\"message\":\"no\"");
}
END_TEST

START_TEST(nothing_said_leaves_it_to_claude) {
    CSB__AUTOCLOSE int fd = -1;
    AUTOWORLD w;

    world_make(&w);
    world_open(&w, NULL);
    fd = ask_and_hold(&w, "one");
    ck_assert_int_eq(csb_reply_send(w.held[0], NULL), 0);
    check_answer(&w, fd, "\r\n\r\n{}");
}
END_TEST

START_TEST(one_that_is_given_up_is_known) {
    CSB__AUTOERROR csb_error *e = NULL;
    AUTOWORLD w;
    int gone;
    int half;

    world_make(&w);
    world_open(&w, NULL);
    gone = ask_and_hold(&w, "one");
    half = ask_and_hold(&w, "one");
    close(gone);
    wait_until_given_up(&w, w.held[0]);
    ck_assert_int_eq(csb_reply_waits(w.held[1]), 1);
    shutdown(half, SHUT_WR); /* as it looks through ssh */
    wait_until_given_up(&w, w.held[1]);
    ck_assert_int_eq(csb_reply_allow(w.held[0], NULL), 0);
    ck_assert_int_eq(csb_reply_send(w.held[0], &e), CSB_ENOTFOUND);
    ck_assert_int_eq(csb_reply_send(w.held[1], NULL), CSB_ENOTFOUND);
    ck_assert_str_eq(csb_error_message(e), "Claude does not wait for this any more");
    close(half);
}
END_TEST

START_TEST(closing_gives_all_up) {
    CSB__AUTOCLOSE int one = -1;
    CSB__AUTOCLOSE int two = -1;
    AUTOWORLD w;

    world_make(&w);
    world_open(&w, NULL);
    one = ask_and_hold(&w, "one");
    two = ask_and_hold(&w, "two");
    csb_hooks_close(w.hooks);
    w.hooks = NULL;
    ck_assert_int_eq(csb_reply_waits(w.held[0]) + csb_reply_waits(w.held[1]), 0);
    ck_assert_int_eq(csb_reply_send(w.held[0], NULL), CSB_ENOTFOUND);
    ck_assert_int_eq(csb_reply_send(w.held[1], NULL), CSB_ENOTFOUND);
}
END_TEST

START_TEST(as_many_are_held_as_a_vm_may_have) {
    CSB__AUTOCLOSE int other = -1;
    int fds[9];
    AUTOWORLD w;

    world_make(&w);
    world_open(&w, NULL);
    for (int i = 0; i < 8; i++) {
        fds[i] = ask_and_hold(&w, "one");
    }
    ck_assert_int_eq(world_ask(&w, "one", PERMIT, NULL), 200);
    ck_assert_int_eq(w.hold_rc, CSB_EBUSY);
    other = ask_and_hold(&w, "two");
    /* One that is answered makes room. */
    ck_assert_int_eq(csb_reply_send(w.held[0], NULL), 0);
    fds[8] = ask_and_hold(&w, "one");
    for (int i = 1; i < 10; i++) {
        ck_assert_int_eq(csb_reply_send(w.held[i], NULL), 0);
    }
    check_answer(&w, other, "{}");
    for (int i = 0; i < 9; i++) {
        close(fds[i]);
    }
}
END_TEST

START_TEST(a_deleted_vm_waits_for_nothing) {
    CSB__AUTOCLOSE int fd = -1;
    AUTOWORLD w;

    world_make(&w);
    world_open(&w, NULL);
    fd = ask_and_hold(&w, "one");
    world_remove_vm(&w, "one");
    wait_until_given_up(&w, w.held[0]);
    ck_assert_int_eq(csb_reply_send(w.held[0], NULL), CSB_ENOTFOUND);
}
END_TEST

START_TEST(nothing_is_held_for_ever) {
    CSB__AUTOCLOSE int fd = -1;
    AUTOWORLD w;

    world_make(&w);
    world_open(&w, NULL);
    w.hooks->server.limits.held_ms = 10;
    fd = ask_and_hold(&w, "one");
    check_answer(&w, fd, "{}");
    wait_until_given_up(&w, w.held[0]);
    ck_assert_int_eq(csb_reply_send(w.held[0], NULL), CSB_ENOTFOUND);
}
END_TEST

START_TEST(what_takes_no_answer_is_not_held) {
    AUTOWORLD w;

    world_make(&w);
    world_open(&w, NULL);
    w.hold = true;
    ck_assert_int_eq(world_ask(&w, "one", "{\"hook_event_name\":\"Notification\"}", NULL), 200);
    ck_assert_int_eq(w.hold_rc, CSB_ENOTSUP);
    ck_assert_int_eq(csb_reply_send(NULL, NULL), CSB_EINVAL);
    ck_assert_int_eq(csb_reply_waits(NULL), 0);
}
END_TEST

static int hold_twice(const csb_event *event, csb_reply *reply, void *userdata) {
    csb_reply *held = NULL;
    csb_reply *again = NULL;

    (void)event;
    (void)userdata;
    ck_assert_int_eq(csb_reply_send(reply, NULL), CSB_EINVAL);
    ck_assert_int_eq(csb_reply_hold(reply, &held, NULL), 0);
    ck_assert_int_eq(csb_reply_hold(reply, &again, NULL), CSB_ESTATE);
    ck_assert_int_eq(csb_reply_hold(held, &again, NULL), CSB_ESTATE);
    ck_assert_int_eq(csb_reply_allow(reply, NULL), CSB_ESTATE);
    ck_assert_int_eq(csb_reply_waits(held), 1);
    ck_assert_int_eq(csb_reply_deny(held, "at once", NULL), 0);
    ck_assert_int_eq(csb_reply_send(held, NULL), 0);
    return 0;
}

START_TEST(what_is_held_is_held_once) {
    CSB__AUTOSTRBUF body = CSB__STRBUF_INIT;
    AUTOWORLD w;

    world_make(&w);
    ck_assert_int_eq(csb_hooks_open(&w.ctx, NULL, hold_twice, NULL, &w.hooks, NULL), 0);
    ck_assert_int_eq(world_ask(&w, "one", PERMIT, &body), 200);
    ck_assert_ptr_nonnull(strstr(body.data, "at once"));
}
END_TEST

Suite *hooks_hold_suite(void);
Suite *hooks_hold_suite(void) {
    Suite *s = suite_create("hooks_hold");
    TCase *tc = test_case(s, "hooks_hold");

    tcase_add_test(tc, an_answer_can_come_later);
    tcase_add_test(tc, what_was_said_before_is_kept);
    tcase_add_test(tc, nothing_said_leaves_it_to_claude);
    tcase_add_test(tc, one_that_is_given_up_is_known);
    tcase_add_test(tc, closing_gives_all_up);
    tcase_add_test(tc, as_many_are_held_as_a_vm_may_have);
    tcase_add_test(tc, a_deleted_vm_waits_for_nothing);
    tcase_add_test(tc, nothing_is_held_for_ever);
    tcase_add_test(tc, what_takes_no_answer_is_not_held);
    tcase_add_test(tc, what_is_held_is_held_once);
    return s;
}
