/* SPDX-License-Identifier: MIT */
/* Listeners beside the first one, who has the sockets: all in one thread. */
#include <claudesandbox/hooks.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/posix.h"
#include "hooks/endpoint.h"
#include "hooks/frame.h"
#include "hooks/poller.h"
#include "hooks_kind.h"
#include "hooks_world.h"

#define ROUNDS 200

/* A server, and one more listener who dispatches along with it. */
static void make_two(struct world *server, struct world *other, unsigned flags) {
    csb_hooks_options options = CSB_HOOKS_OPTIONS_INIT;

    options.flags = flags;
    world_make(server);
    world_open(server, NULL);
    world_make_other(other, server);
    world_open(other, &options);
    server->others[0] = other;
}

/* From now on the other one hangs, as if it had been stopped. */
static void stop_others(struct world *server) {
    server->others[0] = NULL;
}

/* Rounds in which whatever can be done is done. */
static void settle(struct world *w) {
    for (int i = 0; i < 20; i++) {
        world_dispatch(w, 0);
    }
}

static bool is_answered(struct world *w, int fd) {
    char byte;

    settle(w);
    return recv(fd, &byte, 1, MSG_PEEK) > 0;
}

static void check_answer(struct world *w, int fd, const char *part) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;

    world_hear(w, fd, &text);
    ck_assert_msg(strstr(text.data, part) != NULL, "%s", text.data);
}

static int say_to(struct world *w, const char *vm, const char *json) {
    int fd = world_client(w, vm);

    world_say_event(w, fd, json);
    return fd;
}

/* How many of n events were not answered with 200. */
static int ask_often(struct world *w, const char *vm, const char *json, int n) {
    int wrong = 0;

    for (int i = 0; i < n; i++) {
        wrong += world_ask(w, vm, i % 3 ? json : STOP, NULL) != 200;
    }
    return wrong;
}

START_TEST(all_hear_the_same_in_order) {
    AUTOWORLD server;
    AUTOWORLD second;
    AUTOWORLD third;

    make_two(&server, &second, 0);
    world_make_other(&third, &server);
    world_open(&third,
               &(csb_hooks_options){.size = sizeof(csb_hooks_options), .flags = CSB_HOOKS_WATCH});
    server.others[1] = &third;
    server.project = second.project = third.project = "/home/ann/caf\xc3\xa9";
    world_add_vm(&server, "three");
    settle(&server);
    ck_assert_int_eq(ask_often(&server, "three", PRE, 20), 0);
    settle(&server);
    ck_assert_int_eq(server.n_heard, 20);
    ck_assert_str_eq(second.heard, server.heard);
    ck_assert_str_eq(third.heard, server.heard);
    ck_assert_uint_eq(second.lost + third.lost, 0);
}
END_TEST

START_TEST(large_events_go_through) {
    CSB__AUTOFREE char *json = NULL;
    AUTOWORLD server;
    AUTOWORLD other;

    make_two(&server, &other, 0);
    ck_assert_int_ge(asprintf(&json, "{\"hook_event_name\":\"%0*d\"}", (8 << 20) - 22, 0), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(world_ask(&server, "one", json, NULL), 200);
    }
    for (int i = 0; i < 5000 && other.n_heard < 3; i++) {
        world_dispatch(&server, 0);
    }
    ck_assert_int_eq(other.n_heard, 3);
    ck_assert_uint_eq(other.lost, 0);
}
END_TEST

START_TEST(a_subscriber_answers) {
    CSB__AUTOSTRBUF body = CSB__STRBUF_INIT;
    AUTOWORLD server;
    AUTOWORLD other;

    make_two(&server, &other, 0);
    server.allow = true;
    other.deny = true;
    ck_assert_int_eq(world_ask(&server, "one", PRE, &body), 200);
    ck_assert_ptr_nonnull(strstr(body.data, "\"deny\",\"permissionDecisionReason\":\"no\""));
    other.deny = false;
    server.tell = "one";
    other.tell = "two";
    csb__strbuf_free(&body);
    ck_assert_int_eq(world_ask(&server, "one", PRE, &body), 200);
    ck_assert_ptr_nonnull(strstr(body.data, "\"permissionDecision\":\"allow\""));
    ck_assert_ptr_nonnull(strstr(body.data, "\"additionalContext\":\"one\\ntwo\""));
}
END_TEST

START_TEST(who_watches_is_not_waited_for) {
    AUTOWORLD server;
    AUTOWORLD other;

    make_two(&server, &other, CSB_HOOKS_WATCH);
    stop_others(&server);
    ck_assert_int_eq(world_ask(&server, "one", PRE, NULL), 200);
    other.deny = other.hold = true;
    server.others[0] = &other;
    settle(&server);
    ck_assert_int_eq(other.n_heard, 1);
    ck_assert_int_eq(other.reply_rc, CSB_ENOTSUP);
    ck_assert_int_eq(other.hold_rc, CSB_ENOTSUP);
}
END_TEST

START_TEST(who_watches_takes_nobodys_place) {
    csb_hooks_options options = CSB_HOOKS_OPTIONS_INIT;
    CSB__AUTOERROR csb_error *e = NULL;
    csb_hooks *hooks = NULL;
    AUTOWORLD w;

    world_make(&w);
    options.flags = CSB_HOOKS_WATCH;
    ck_assert_int_eq(csb_hooks_open(&w.ctx, &options, world_on_event, &w, &hooks, &e),
                     CSB_ENOTFOUND);
    test_check_error(e, CSB_ENOTFOUND, "nobody listens");
    ck_assert_str_eq(csb_error_hint(e), "claude-hooks-server start");
    ck_assert_int_eq(csb_hooks_listen(&w.ctx, &options, world_on_event, &w, NULL), CSB_ENOTFOUND);
}
END_TEST

START_TEST(one_that_hangs_is_waited_for_once) {
    CSB__AUTOCLOSE int first = -1;
    CSB__AUTOCLOSE int second = -1;
    CSB__AUTOCLOSE int third = -1;
    CSB__AUTOCLOSE int fourth = -1;
    AUTOWORLD server;
    AUTOWORLD other;

    make_two(&server, &other, 0);
    settle(&server);
    stop_others(&server);
    first = say_to(&server, "one", PRE);
    second = say_to(&server, "two", PRE);
    ck_assert(!is_answered(&server, first));
    ck_assert(!is_answered(&server, second));
    check_answer(&server, first, "\r\n\r\n{}"); /* in 3 s */
    ck_assert(is_answered(&server, second));
    third = say_to(&server, "one", PRE);
    ck_assert(is_answered(&server, third));
    /* It goes on: what it says to old events is not wanted, and it is waited for again. */
    server.others[0] = &other;
    other.deny = true;
    settle(&server);
    ck_assert_int_eq(other.n_heard, 3);
    stop_others(&server);
    fourth = say_to(&server, "one", PRE);
    ck_assert(!is_answered(&server, fourth));
    server.others[0] = &other;
    check_answer(&server, fourth, "\"deny\"");
}
END_TEST

START_TEST(an_answer_in_time_counts_though_it_is_read_late) {
    CSB__AUTOCLOSE int client = -1;
    AUTOWORLD server;
    AUTOWORLD other;

    make_two(&server, &other, 0);
    settle(&server);
    stop_others(&server);
    other.deny = true;
    client = say_to(&server, "one", PRE);
    settle(&server);
    settle(&other);
    ck_assert_int_eq(other.n_heard, 1);
    /* As if a callback of the server's had taken so long, and its timer came first. */
    csb__relay_tick(&server.hooks->server, csb__now_ms() + 4000);
    check_answer(&server, client, "\"deny\"");
}
END_TEST

START_TEST(what_takes_no_answer_is_not_waited_for) {
    CSB__AUTOCLOSE int fd = -1;
    AUTOWORLD server;
    AUTOWORLD other;

    make_two(&server, &other, 0);
    settle(&server);
    stop_others(&server);
    fd = say_to(&server, "one", "{\"hook_event_name\":\"Notification\"}");
    ck_assert(is_answered(&server, fd));
}
END_TEST

static void dispatch_until_last(struct world *server, const struct world *other) {
    for (int i = 0; i < 5000 && !strstr(other->heard, ":Last "); i++) {
        world_dispatch(server, 0);
    }
    ck_assert_ptr_nonnull(strstr(other->heard, ":Last "));
}

START_TEST(a_slow_one_loses_its_oldest) {
    CSB__AUTOFREE char *json = NULL;
    AUTOWORLD server;
    AUTOWORLD slow;
    AUTOWORLD quick;

    make_two(&server, &quick, CSB_HOOKS_WATCH);
    world_make_other(&slow, &server);
    world_open(&slow,
               &(csb_hooks_options){.size = sizeof(csb_hooks_options), .flags = CSB_HOOKS_WATCH});
    ck_assert_int_ge(asprintf(&json, "{\"hook_event_name\":\"Big\",\"x\":\"%0*d\"}", 1 << 20, 0),
                     0);
    ck_assert_int_eq(ask_often(&server, "one", json, 45), 0);
    ck_assert_int_eq(world_ask(&server, "one", "{\"hook_event_name\":\"Last\"}", NULL), 200);
    dispatch_until_last(&server, &quick);
    server.others[1] = &slow;
    dispatch_until_last(&server, &slow);
    ck_assert(quick.n_heard == 46 && quick.lost == 0);
    ck_assert(slow.n_heard >= 10 && slow.lost >= 10);
    ck_assert_uint_eq(slow.lost + (uint64_t)slow.n_heard, 46);
}
END_TEST

START_TEST(one_that_goes_owes_nothing) {
    CSB__AUTOCLOSE int fd = -1;
    AUTOWORLD server;
    AUTOWORLD other;

    make_two(&server, &other, 0);
    settle(&server);
    stop_others(&server);
    fd = say_to(&server, "one", PRE);
    ck_assert(!is_answered(&server, fd));
    csb_hooks_close(other.hooks);
    other.hooks = NULL;
    ck_assert(is_answered(&server, fd));
}
END_TEST

static bool has_news(const struct world *w) {
    struct pollfd pfd = {.fd = csb_hooks_fd(w->hooks), .events = POLLIN};

    return poll(&pfd, 1, 0) == 1;
}

START_TEST(the_end_of_the_server_is_known) {
    CSB__AUTOERROR csb_error *e = NULL;
    AUTOWORLD server;
    AUTOWORLD other;

    make_two(&server, &other, 0);
    settle(&server);
    stop_others(&server);
    close(say_to(&server, "one", STOP));
    settle(&server);
    csb_hooks_close(server.hooks);
    server.hooks = NULL;
    ck_assert(has_news(&other));
    while (csb_hooks_dispatch(other.hooks, 1000, &e) == 0) {
    }
    test_check_error(e, CSB_ENOTFOUND, "has ended");
    ck_assert_str_eq(other.heard, "one:Stop "); /* what was on its way still came */
    ck_assert_int_eq(csb_hooks_dispatch(other.hooks, -1, NULL), CSB_ENOTFOUND);
}
END_TEST

START_TEST(the_servers_place_can_be_taken) {
    AUTOWORLD server;
    AUTOWORLD other;

    make_two(&server, &other, 0);
    settle(&server);
    csb_hooks_close(server.hooks);
    server.hooks = NULL;
    csb_hooks_close(other.hooks);
    world_open(&other, NULL);
    ck_assert_int_eq(world_ask(&other, "one", PRE, NULL), 200);
}
END_TEST

START_TEST(its_callback_and_its_waiting_can_be_ended) {
    CSB__AUTOERROR csb_error *e = NULL;
    AUTOWORLD server;
    AUTOWORLD other;
    int one;
    int two;

    make_two(&server, &other, 0);
    settle(&server);
    stop_others(&server);
    one = say_to(&server, "one", PRE);
    two = say_to(&server, "two", PRE);
    settle(&server);
    other.stop_with = 1;
    other.deny = true;
    ck_assert_int_eq(csb_hooks_dispatch(other.hooks, 1000, &e), CSB_EUSER);
    ck_assert(has_news(&other));
    other.stop_with = 0;
    ck_assert_int_eq(csb_hooks_dispatch(other.hooks, -1, NULL), 0);
    ck_assert_int_eq(other.n_heard, 2);
    check_answer(&server, one, "\"deny\"");
    check_answer(&server, two, "\"deny\"");
    settle(&server);
    while (has_news(&other)) {
        ck_assert_int_eq(csb_hooks_dispatch(other.hooks, 0, NULL), 0);
    }
    csb_hooks_wakeup(other.hooks);
    ck_assert_int_eq(csb_hooks_dispatch(other.hooks, -1, NULL), 0);
    csb_ctx_cancel(&other.ctx);
    ck_assert_int_eq(csb_hooks_dispatch(other.hooks, -1, NULL), CSB_ECANCELED);
    close(one);
    close(two);
}
END_TEST

/* -- held -- */

static int dispatch_again(const csb_event *event, csb_reply *reply, void *userdata) {
    csb_hooks **hooks = userdata;

    (void)event;
    (void)reply;
    return csb_hooks_dispatch(*hooks, 0, NULL);
}

START_TEST(a_callback_can_not_dispatch) {
    AUTOWORLD server;
    AUTOWORLD other;
    CSB__AUTOERROR csb_error *err = NULL;

    world_make(&server);
    world_open(&server, NULL);
    world_make_other(&other, &server);
    ck_assert_int_eq(
        csb_hooks_open(&other.ctx, NULL, dispatch_again, &other.hooks, &other.hooks, NULL), 0);
    settle(&server);
    (void)world_ask(&server, "one", STOP, NULL);
    ck_assert_int_eq(csb_hooks_dispatch(other.hooks, 1000, &err), CSB_EUSER);
    ck_assert_int_eq(csb_hooks_dispatch(other.hooks, 0, NULL), 0);
}
END_TEST

static int ask_and_hold(struct world *server, struct world *holder) {
    int fd = say_to(server, "one", PERMIT);
    int before = holder->n_held;

    holder->hold = true;
    for (int i = 0; i < ROUNDS && holder->n_held == before; i++) {
        world_dispatch(server, 10);
    }
    ck_assert_int_eq(holder->n_held, before + 1);
    ck_assert(!is_answered(server, fd));
    return fd;
}

static void wait_until_given_up(struct world *server, const csb_reply *held) {
    for (int i = 0; i < ROUNDS && csb_reply_waits(held); i++) {
        world_dispatch(server, 10);
    }
    ck_assert_int_eq(csb_reply_waits(held), 0);
}

START_TEST(a_subscriber_can_hold) {
    CSB__AUTOCLOSE int fd = -1;
    CSB__AUTOCLOSE int next = -1;
    AUTOWORLD server;
    AUTOWORLD other;

    make_two(&server, &other, 0);
    fd = ask_and_hold(&server, &other);
    ck_assert_int_eq(csb_reply_waits(other.held[0]), 1);
    ck_assert_int_eq(csb_reply_allow(other.held[0], NULL), 0);
    ck_assert_int_eq(csb_reply_send(other.held[0], NULL), 0);
    check_answer(&server, fd, "\"behavior\":\"allow\"");
    /* It still is one who is waited for. */
    stop_others(&server);
    next = say_to(&server, "one", PRE);
    ck_assert(!is_answered(&server, next));
}
END_TEST

START_TEST(what_it_holds_can_be_given_up) {
    AUTOWORLD server;
    AUTOWORLD other;
    int fd;

    make_two(&server, &other, 0);
    fd = ask_and_hold(&server, &other);
    close(fd);
    wait_until_given_up(&server, other.held[0]);
    ck_assert_int_eq(csb_reply_send(other.held[0], NULL), CSB_ENOTFOUND);
    fd = ask_and_hold(&server, &other);
    csb_hooks_close(server.hooks);
    server.hooks = NULL;
    ck_assert_int_eq(csb_hooks_dispatch(other.hooks, -1, NULL), CSB_ENOTFOUND);
    ck_assert_int_eq(csb_reply_waits(other.held[1]), 0);
    ck_assert_int_eq(csb_reply_send(other.held[1], NULL), CSB_ENOTFOUND);
    close(fd);
}
END_TEST

START_TEST(what_it_holds_has_an_end) {
    CSB__AUTOCLOSE int fd = -1;
    AUTOWORLD server;
    AUTOWORLD other;

    make_two(&server, &other, 0);
    fd = ask_and_hold(&server, &other);
    server.hooks->server.connections->claims->deadline = 1;
    check_answer(&server, fd, "\r\n\r\n{}");
    wait_until_given_up(&server, other.held[0]);
    ck_assert_int_eq(csb_reply_send(other.held[0], NULL), CSB_ENOTFOUND);
}
END_TEST

/* Without descriptors it waits, and does not spin. */
START_TEST(no_descriptors_are_no_disaster) {
    struct rlimit old;
    struct rlimit few;
    csb_hooks *hooks = NULL;
    AUTOWORLD server;
    AUTOWORLD other;

    world_make(&server);
    world_open(&server, NULL);
    world_make_other(&other, &server);
    ck_assert_int_eq(csb_hooks_open(&other.ctx, NULL, world_on_event, &other, &hooks, NULL), 0);
    getrlimit(RLIMIT_NOFILE, &old);
    few = (struct rlimit){3, old.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
    world_dispatch(&server, 0);
    ck_assert(!has_news(&server));
    setrlimit(RLIMIT_NOFILE, &old);
    other.hooks = hooks;
    other.deny = true;
    server.others[0] = &other;
    for (int i = 0; i < 50 && !server.hooks->server.relay.peers; i++) {
        world_dispatch(&server, 100);
    }
    ck_assert_int_eq(world_ask(&server, "one", PRE, NULL), 200);
    ck_assert_int_eq(other.n_heard, 1);
}
END_TEST

START_TEST(what_another_decides_settles_it) {
    CSB__AUTOCLOSE int fd = -1;
    CSB__AUTOCLOSE int next = -1;
    AUTOWORLD server;
    AUTOWORLD other;

    make_two(&server, &other, 0);
    server.hold = true;
    fd = ask_and_hold(&server, &other);
    ck_assert_int_eq(server.n_held, 1);
    ck_assert_int_eq(csb_reply_deny(other.held[0], "never", NULL), 0);
    ck_assert_int_eq(csb_reply_send(other.held[0], NULL), 0);
    check_answer(&server, fd, "never");
    ck_assert_int_eq(csb_reply_waits(server.held[0]), 0);
    ck_assert_int_eq(csb_reply_send(server.held[0], NULL), CSB_ENOTFOUND);
    /* And the other way round. */
    next = ask_and_hold(&server, &other);
    ck_assert_int_eq(csb_reply_allow(server.held[1], NULL), 0);
    ck_assert_int_eq(csb_reply_send(server.held[1], NULL), 0);
    check_answer(&server, next, "\"behavior\":\"allow\"");
    wait_until_given_up(&server, other.held[1]);
    ck_assert_int_eq(csb_reply_send(other.held[1], NULL), CSB_ENOTFOUND);
}
END_TEST

START_TEST(it_holds_as_many_as_a_vm_may_have) {
    int fds[9];
    AUTOWORLD server;
    AUTOWORLD other;

    make_two(&server, &other, 0);
    for (int i = 0; i < 8; i++) {
        fds[i] = ask_and_hold(&server, &other);
    }
    fds[8] = say_to(&server, "one", PERMIT);
    ck_assert(is_answered(&server, fds[8]));
    ck_assert_int_eq(other.hold_rc, CSB_EBUSY);
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(csb_reply_send(other.held[i], NULL), 0);
        check_answer(&server, fds[i], "{}");
    }
    for (int i = 0; i < 9; i++) {
        close(fds[i]);
    }
}
END_TEST

/* -- who says what is not expected -- */

static int connect_raw(const struct world *w) {
    CSB__AUTOFREE char *path = NULL;
    int fd;

    ck_assert_int_eq(csb__hooks_relay_path(&w->ctx.env, &path, NULL), 0);
    fd = csb__unix_connect(path);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static void check_refused(struct world *w, const char *bytes, size_t len) {
    CSB__AUTOCLOSE int fd = connect_raw(w);
    char buf[64];

    ck_assert_int_eq(csb__write(fd, bytes, len), (ssize_t)len);
    settle(w);
    while (read(fd, buf, sizeof(buf)) > 0) {
    }
    ck_assert_int_eq(world_ask(w, "one", PRE, NULL), 200);
}

START_TEST(nonsense_is_hung_up_on) {
    static const char hello[] = "\0\0\0\x0a\x01\0\0\0\0\0\0\0\x01\0";
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    AUTOWORLD w;

    world_make(&w);
    world_open(&w, NULL);
    check_refused(&w, "GET / HTTP/1.1\r\n\r\n", 18);
    check_refused(&w, "\xff\xff\xff\xff", 4);
    check_refused(&w, "\0\0\0\x0a\x01\0\0\0\0\0\0\0\x63\0", 14); /* of another version */
    check_refused(&w, "\0\0\0\x09\x06\0\0\0\0\0\0\0\x01",
                  13); /* an answer, without a word before */
    csb__strbuf_add(&text, hello, 14);
    csb__strbuf_add(&text, hello, 14);
    check_refused(&w, text.data, text.len);
    text.len = 14;
    csb__strbuf_add(&text, "\0\0\0\x0a\x05\0\0\0\0\0\0\0\x01\x01", 14); /* cut short */
    check_refused(&w, text.data, text.len);
}
END_TEST

START_TEST(there_is_a_limit_to_subscribers) {
    CSB__AUTOERROR csb_error *e = NULL;
    csb_hooks *hooks = NULL;
    int fds[32];
    AUTOWORLD w;
    AUTOWORLD other;

    world_make(&w);
    world_open(&w, NULL);
    for (int i = 0; i < 32; i++) {
        fds[i] = connect_raw(&w);
        settle(&w);
    }
    world_make_other(&other, &w);
    ck_assert_int_eq(csb_hooks_open(&other.ctx, NULL, world_on_event, &other, &hooks, NULL), 0);
    settle(&w);
    while (csb_hooks_dispatch(hooks, 1000, &e) == 0) {
    }
    test_check_error(e, CSB_EBUSY, "too many programs");
    ck_assert_int_eq(world_ask(&w, "one", PRE, NULL), 200);
    csb_hooks_close(hooks);
    for (int i = 0; i < 32; i++) {
        close(fds[i]);
    }
}
END_TEST

START_TEST(one_that_accepts_nobody_is_not_waited_for) {
    CSB__AUTOFREE char *path = NULL;
    CSB__AUTOCLOSE int listener = -1;
    CSB__AUTOERROR csb_error *err = NULL;
    csb_hooks_options options = CSB_HOOKS_OPTIONS_INIT;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int waiting[64];
    int n = 0;
    AUTOWORLD w;

    options.flags = CSB_HOOKS_WATCH;
    world_make(&w);
    world_open(&w, NULL);
    csb_hooks_close(w.hooks); /* the directory is there */
    w.hooks = NULL;
    ck_assert_int_eq(csb__hooks_relay_path(&w.ctx.env, &path, NULL), 0);
    listener = csb__listener_socket();
    strcpy(addr.sun_path, path);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(listen(listener, 0), 0);
    do {
        waiting[n] = csb__unix_connect_at_once(path);
    } while (waiting[n] >= 0 && ++n < 64);
    ck_assert_int_eq(csb_hooks_open(&w.ctx, &options, world_on_event, &w, &w.hooks, &err),
                     CSB_EBUSY);
    while (n > 0) {
        close(waiting[--n]);
    }
}
END_TEST

START_TEST(only_the_user_can_subscribe) {
    CSB__AUTOFREE char *path = NULL;
    AUTOWORLD w;
    struct stat st;

    world_make(&w);
    world_open(&w, NULL);
    ck_assert_int_eq(csb__hooks_relay_path(&w.ctx.env, &path, NULL), 0);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0600);
    csb_hooks_close(w.hooks);
    w.hooks = NULL;
    ck_assert(!test_exists(path));
}
END_TEST

static bool has_server(void *arg) {
    CSB__AUTOFREE char *path = NULL;
    CSB__AUTOCLOSE int fd = -1;

    ck_assert_int_eq(csb__hooks_relay_path(arg, &path, NULL), 0);
    fd = csb__unix_connect(path);
    return fd >= 0;
}

static int listen_to(void *arg) {
    struct world *w = arg;

    ck_assert(test_wait(has_server, &w->ctx.env));
    return csb_hooks_listen(&w->ctx, NULL, world_on_event, w, NULL) == CSB_EUSER ? w->n_heard : 99;
}

/* Events, until one was answered by the listener in the other process. */
static void ask_until_heard(struct world *server) {
    for (int i = 0; i < ROUNDS; i++) {
        CSB__AUTOSTRBUF body = CSB__STRBUF_INIT;

        ck_assert_int_eq(world_ask(server, "one", PRE, &body), 200);
        if (strstr(body.data, "it heard")) {
            return;
        }
        world_dispatch(server, 50);
    }
    ck_abort_msg("nobody heard it");
}

START_TEST(listening_goes_on) {
    AUTOWORLD server;
    AUTOWORLD other;
    pid_t pid;

    world_make(&server);
    world_make_other(&other, &server);
    other.stop_with = 1;
    other.stop_after = 2;
    other.tell = "it heard";
    pid = test_fork(listen_to, &other); /* before there are descriptors to inherit */
    world_open(&server, NULL);
    ask_until_heard(&server);
    csb_hooks_close(server.hooks);
    world_open(&server, NULL); /* the place is left to it */
    ask_until_heard(&server);
    ck_assert_int_eq(test_join_child(pid), 2);
}
END_TEST

Suite *hooks_subscriber_suite(void);
Suite *hooks_subscriber_suite(void) {
    Suite *s = suite_create("hooks_subscriber");
    TCase *tc = test_case(s, "hooks_subscriber");

    tcase_add_test(tc, all_hear_the_same_in_order);
    tcase_add_test(tc, large_events_go_through);
    tcase_add_test(tc, a_subscriber_answers);
    tcase_add_test(tc, who_watches_is_not_waited_for);
    tcase_add_test(tc, who_watches_takes_nobodys_place);
    tcase_add_test(tc, one_that_hangs_is_waited_for_once);
    tcase_add_test(tc, an_answer_in_time_counts_though_it_is_read_late);
    tcase_add_test(tc, what_takes_no_answer_is_not_waited_for);
    tcase_add_test(tc, a_slow_one_loses_its_oldest);
    tcase_add_test(tc, one_that_goes_owes_nothing);
    tcase_add_test(tc, the_end_of_the_server_is_known);
    tcase_add_test(tc, the_servers_place_can_be_taken);
    tcase_add_test(tc, its_callback_and_its_waiting_can_be_ended);
    tcase_add_test(tc, a_callback_can_not_dispatch);
    tcase_add_test(tc, a_subscriber_can_hold);
    tcase_add_test(tc, what_it_holds_can_be_given_up);
    tcase_add_test(tc, what_it_holds_has_an_end);
    tcase_add_test(tc, no_descriptors_are_no_disaster);
    tcase_add_test(tc, what_another_decides_settles_it);
    tcase_add_test(tc, it_holds_as_many_as_a_vm_may_have);
    tcase_add_test(tc, nonsense_is_hung_up_on);
    tcase_add_test(tc, there_is_a_limit_to_subscribers);
    tcase_add_test(tc, one_that_accepts_nobody_is_not_waited_for);
    tcase_add_test(tc, only_the_user_can_subscribe);
    tcase_add_test(tc, listening_goes_on);
    return s;
}
