/* SPDX-License-Identifier: MIT */
#include <claudesandbox/hooks.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/path.h"
#include "core/posix.h"
#include "hooks/endpoint.h"
#include "hooks_world.h"

#define CLIENTS_MAX 80

START_TEST(events_come_from_the_socket_they_came_on) {
    CSB__AUTOSTRBUF body = CSB__STRBUF_INIT;
    AUTOWORLD w;

    world_make(&w);
    world_open(&w, NULL);
    ck_assert_int_eq(world_ask(&w, "one", STOP, &body), 200);
    ck_assert_int_eq(world_ask(&w, "two", "{\"hook_event_name\":\"Stop\",\"vm\":\"one\"}", NULL),
                     200);
    ck_assert_str_eq(w.heard, "one:Stop two:Stop ");
    ck_assert_str_eq(body.data, "{}");
}
END_TEST

START_TEST(the_callback_answers) {
    CSB__AUTOSTRBUF body = CSB__STRBUF_INIT;
    AUTOWORLD w;

    world_make(&w);
    world_open(&w, NULL);
    w.deny = true;
    ck_assert_int_eq(world_ask(&w, "one", PRE, &body), 200);
    ck_assert_str_eq(body.data,
                     "{\"hookSpecificOutput\":{\"hookEventName\":\"PreToolUse\","
                     "\"permissionDecision\":\"deny\",\"permissionDecisionReason\":\"no\"}}");
}
END_TEST

START_TEST(only_this_user_gets_in) {
    AUTOWORLD w;
    CSB__AUTOFREE char *path = NULL;
    CSB__AUTOFREE char *dir = NULL;
    struct stat st;

    world_make(&w);
    dir = csb__hooks_dir(&w.ctx.env);
    ck_assert_int_eq(csb__mkdirs(dir, NULL), 0);
    chmod(dir, 0777);
    world_open(&w, NULL);
    path = world_socket(&w, "one");
    ck_assert_int_eq(stat(dir, &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0700);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0600);
    csb_hooks_close(w.hooks);
    w.hooks = NULL;
    ck_assert(!test_exists(path));
}
END_TEST

static void leave_stale_socket(const char *path) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    CSB__AUTOCLOSE int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(addr.sun_path, path);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

START_TEST(what_is_in_the_way_goes_only_if_it_is_a_dead_socket) {
    CSB__AUTOFREE char *stale = NULL;
    CSB__AUTOFREE char *file = NULL;
    CSB__AUTOFREE char *text = NULL;
    CSB__AUTOFREE char *dir = NULL;
    AUTOWORLD w;

    world_make(&w);
    dir = csb__hooks_dir(&w.ctx.env);
    ck_assert_int_eq(csb__mkdirs(dir, NULL), 0);
    stale = world_socket(&w, "one");
    file = world_socket(&w, "two");
    leave_stale_socket(stale);
    test_write(file, "precious", 0600);
    world_open(&w, NULL);
    ck_assert_int_eq(world_ask(&w, "one", STOP, NULL), 200);
    text = test_read(file);
    ck_assert_str_eq(text, "precious");
    ck_assert_ptr_nonnull(strstr(w.logged, "hooks of two are not heard: "));
    ck_assert_ptr_nonnull(strstr(w.logged, "is in the way"));
    csb_hooks_close(w.hooks);
    w.hooks = NULL;
    ck_assert(test_exists(file));
}
END_TEST

START_TEST(sockets_of_deleted_vms_go) {
    CSB__AUTOFREE char *stale = NULL;
    CSB__AUTOFREE char *dir = NULL;
    AUTOWORLD w;

    world_make(&w);
    dir = csb__hooks_dir(&w.ctx.env);
    ck_assert_int_eq(csb__mkdirs(dir, NULL), 0);
    stale = world_socket(&w, "deleted");
    leave_stale_socket(stale);
    world_open(&w, NULL);
    ck_assert(!test_exists(stale));
    ck_assert_int_eq(world_ask(&w, "one", STOP, NULL), 200);
}
END_TEST

START_TEST(vms_come_and_go) {
    CSB__AUTOFREE char *path = NULL;
    AUTOWORLD w;
    struct pollfd pfd = {.events = POLLIN};

    world_make(&w);
    world_open(&w, NULL);
    w.project = "/home/ann/caf\xc3\xa9";
    world_add_vm(&w, "a-new-one");
    pfd.fd = csb_hooks_fd(w.hooks);
    ck_assert_int_eq(poll(&pfd, 1, 20000), 1);
    world_dispatch(&w, -1);
    ck_assert_int_eq(world_ask(&w, "a-new-one", STOP, NULL), 200);
    w.project = NULL;
    ck_assert_int_eq(world_ask(&w, "two", STOP, NULL), 200);
    ck_assert_str_eq(w.heard, "a-new-one:Stop two:Stop ");
    path = world_socket(&w, "one");
    ck_assert(test_exists(path));
    world_remove_vm(&w, "one");
    world_dispatch(&w, 20000);
    ck_assert(!test_exists(path));
    ck_assert_int_eq(world_ask(&w, "two", STOP, NULL), 200);
}
END_TEST

START_TEST(a_silent_client_is_in_nobodys_way) {
    csb_hooks_options options = CSB_HOOKS_OPTIONS_INIT;
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTOCLOSE int silent = -1;
    CSB__AUTOCLOSE int slow = -1;
    AUTOWORLD w;

    world_make(&w);
    options.request_timeout_ms = 100;
    world_open(&w, &options);
    silent = world_client(&w, "one");
    slow = world_client(&w, "one");
    world_say(&w, slow, "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf", 42);
    ck_assert_int_eq(world_ask(&w, "one", STOP, NULL), 200);
    /* In time they are told to go. */
    world_hear(&w, silent, &text);
    world_hear(&w, slow, &text);
    ck_assert_ptr_nonnull(strstr(text.data, "HTTP/1.1 408 "));
    ck_assert_ptr_nonnull(strstr(strstr(text.data, "408 ") + 1, "HTTP/1.1 408 "));
}
END_TEST

START_TEST(a_client_that_goes_early_does_no_harm) {
    AUTOWORLD w;
    int fd;

    world_make(&w);
    world_open(&w, NULL);
    fd = world_client(&w, "one");
    world_say(&w, fd, "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf", 42);
    world_dispatch(&w, 0);
    close(fd);
    fd = world_client(&w, "one");
    world_say_event(&w, fd, STOP);
    close(fd); /* does not wait for its answer */
    fd = world_client(&w, "one");
    close(fd);
    ck_assert_int_eq(world_ask(&w, "one", PRE, NULL), 200);
    ck_assert_str_eq(w.heard, "one:Stop one:PreToolUse ");
}
END_TEST

/* How an event of so many bytes fares. */
static int ask_size(struct world *w, size_t size) {
    CSB__AUTOFREE char *json = NULL;

    ck_assert_int_ge(asprintf(&json, "{\"hook_event_name\":\"%0*d\"}", (int)size - 22, 0), 0);
    ck_assert_uint_eq(strlen(json), size);
    return world_ask(w, "one", json, NULL);
}

START_TEST(bad_requests_get_their_status) {
    static const char *const bad[] = {"{\"a\":", "", "null", "{\"a\":\"\xff\"}"};
    int wrong = 0;
    AUTOWORLD w;

    world_make(&w);
    world_open(&w, NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        wrong += world_ask(&w, "one", bad[i], NULL) != 400;
    }
    ck_assert_int_eq(wrong, 0);
    ck_assert_str_eq(w.heard, "");
}
END_TEST

START_TEST(an_event_without_a_name_is_one) {
    AUTOWORLD w;

    world_make(&w);
    world_open(&w, NULL);
    ck_assert_int_eq(world_ask(&w, "one", "{\"no\":\"name\"}", NULL), 200);
    ck_assert_str_eq(w.heard, "one: ");
}
END_TEST

/* Refused while it comes, and the one who sends it hears so. */
START_TEST(a_limit_of_ones_own_holds) {
    csb_hooks_options options = CSB_HOOKS_OPTIONS_INIT;
    AUTOWORLD w;

    world_make(&w);
    options.body_max = 1000;
    world_open(&w, &options);
    ck_assert_int_eq(ask_size(&w, 1000), 200);
    ck_assert_int_eq(ask_size(&w, 1001), 413);
    ck_assert_int_eq(ask_size(&w, 500000), 413);
    ck_assert_int_eq(world_ask(&w, "one", STOP, NULL), 200);
}
END_TEST

START_TEST(eight_mib_are_taken_and_no_more) {
    AUTOWORLD w;

    world_make(&w);
    world_open(&w, NULL);
    ck_assert_int_eq(ask_size(&w, (size_t)8 << 20), 200);
    ck_assert_uint_gt(strlen(w.heard), 1000);
    ck_assert_int_eq(ask_size(&w, ((size_t)8 << 20) + 1), 413);
}
END_TEST

START_TEST(curl_is_told_to_go_on) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTOCLOSE int fd = -1;
    char buf[100] = "";
    AUTOWORLD w;

    world_make(&w);
    world_open(&w, NULL);
    fd = world_client(&w, "one");
    csb__strbuf_puts(&text, "POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    world_say(&w, fd, text.data, text.len);
    world_dispatch(&w, 1000);
    ck_assert_int_gt(read(fd, buf, sizeof(buf) - 1), 0);
    ck_assert_str_eq(buf, "HTTP/1.1 100 Continue\r\n\r\n");
    world_say(&w, fd, "{}", 2);
    csb__strbuf_free(&text);
    world_hear(&w, fd, &text);
    ck_assert_ptr_eq(strstr(text.data, "HTTP/1.1 200 OK\r\n"), text.data);
}
END_TEST

START_TEST(too_many_at_a_time_are_refused_and_counted) {
    csb_hooks_options options = CSB_HOOKS_OPTIONS_INIT;
    int refused = 0;
    AUTOWORLD w;

    world_make(&w);
    options.rate = 1;
    world_open(&w, &options);
    for (int i = 0; i < 20; i++) {
        int status = world_ask(&w, "one", STOP, NULL);

        ck_assert(status == 200 || status == 429);
        ck_assert(i >= 5 || status == 200);
        refused += status == 429;
    }
    ck_assert_int_ge(refused, 5);
    ck_assert_int_eq(world_ask(&w, "two", STOP, NULL), 200);
    csb_hooks_close(w.hooks);
    w.hooks = NULL;
    ck_assert_ptr_nonnull(strstr(w.logged, "hooks of one: "));
    ck_assert_ptr_nonnull(strstr(w.logged, " refused, the last one with 429 (Too Many Requests)"));
}
END_TEST

static void close_all(const int *fds, int n) {
    for (int i = 0; i < n; i++) {
        close(fds[i]);
    }
}

START_TEST(connections_of_one_vm_are_limited) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    int fds[CLIENTS_MAX];
    AUTOWORLD w;

    world_make(&w);
    world_open(&w, NULL);
    for (int i = 0; i < 70; i++) {
        fds[i] = world_client(&w, "one");
        world_dispatch(&w, 0);
    }
    world_say_event(&w, fds[69], STOP);
    world_hear_for(&w, fds[69], &text, 0);
    ck_assert_uint_eq(text.len, 0);
    ck_assert_int_eq(world_ask(&w, "two", STOP, NULL), 200);
    close_all(fds, 10);
    world_hear(&w, fds[69], &text);
    ck_assert_ptr_nonnull(strstr(text.data, " 200 OK"));
    ck_assert_str_eq(w.heard, "two:Stop one:Stop ");
    close_all(fds + 10, 60);
}
END_TEST

START_TEST(vms_have_their_turn) {
    int fds[31];
    AUTOWORLD w;

    world_make(&w);
    world_open(&w, NULL);
    for (int i = 0; i < 30; i++) {
        fds[i] = world_client(&w, "one");
        ck_assert_int_gt(write(fds[i], "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 41), 0);
    }
    fds[30] = world_client(&w, "two");
    ck_assert_int_gt(write(fds[30], "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 41), 0);
    world_dispatch(&w, 0);
    world_dispatch(&w, 0);
    ck_assert_int_eq(strncmp(w.heard, "one: two: one: ", 15), 0);
    ck_assert_uint_eq(strlen(w.heard), 31 * strlen("one: "));
    close_all(fds, 31);
}
END_TEST

START_TEST(the_callback_can_end_it) {
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTOCLOSE int fd = -1;
    CSB__AUTOCLOSE int other = -1;
    AUTOWORLD w;
    char buf[400] = "";
    struct pollfd pfd = {.events = POLLIN};

    world_make(&w);
    world_open(&w, NULL);
    w.stop_with = 1;
    fd = world_client(&w, "one");
    world_say_event(&w, fd, STOP);
    other = world_client(&w, "two");
    world_say_event(&w, other, STOP);
    ck_assert_int_eq(csb_hooks_dispatch(w.hooks, 1000, &e), CSB_EUSER);
    ck_assert_int_gt(read(fd, buf, sizeof(buf) - 1), 0);
    ck_assert_ptr_nonnull(strstr(buf, " 200 OK"));
    /* It can go on, and the next one is not forgotten: whoever polls is told of it. */
    w.stop_with = 0;
    pfd.fd = csb_hooks_fd(w.hooks);
    ck_assert_int_eq(poll(&pfd, 1, 0), 1);
    world_dispatch(&w, -1);
    world_hear(&w, other, &text);
    ck_assert_str_eq(w.heard, "one:Stop two:Stop ");
}
END_TEST

START_TEST(waiting_can_be_ended) {
    CSB__AUTOERROR csb_error *e = NULL;
    AUTOWORLD w;
    struct pollfd pfd = {.events = POLLIN};

    world_make(&w);
    world_open(&w, NULL);
    world_dispatch(&w, 0);
    pfd.fd = csb_hooks_fd(w.hooks);
    ck_assert_int_eq(poll(&pfd, 1, 0), 0);
    csb_hooks_wakeup(w.hooks);
    csb_hooks_wakeup(w.hooks);
    ck_assert_int_eq(poll(&pfd, 1, 0), 1);
    world_dispatch(&w, -1);
    ck_assert_int_eq(poll(&pfd, 1, 0), 0);
    csb_ctx_cancel(&w.ctx);
    ck_assert_int_eq(csb_hooks_dispatch(w.hooks, -1, &e), CSB_ECANCELED);
    ck_assert_int_eq(poll(&pfd, 1, 0), 0);
    csb_ctx_cancel(&w.ctx);
    csb_hooks_close(w.hooks);
    w.hooks = NULL;
    ck_assert_int_eq(csb_hooks_listen(&w.ctx, NULL, world_on_event, &w, NULL), CSB_ECANCELED);
}
END_TEST

static int listen_to(void *arg) {
    struct world *w = arg;
    CSB__AUTOERROR csb_error *e = NULL;

    w->stop_with = 1;
    return csb_hooks_listen(&w->ctx, NULL, world_on_event, w, &e) == CSB_EUSER ? 0 : 1;
}

static bool answers(void *arg) {
    CSB__AUTOCLOSE int fd = csb__unix_connect(arg);

    return fd >= 0 && write(fd, "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 41) == 41;
}

static int close_it(void *hooks) {
    csb_hooks_close(hooks);
    return 0;
}

START_TEST(a_forked_child_closes_nothing) {
    AUTOWORLD w;

    world_make(&w);
    world_open(&w, NULL);
    ck_assert_int_eq(test_join_child(test_fork(close_it, w.hooks)), 0);
    ck_assert_int_eq(world_ask(&w, "one", STOP, NULL), 200);
}
END_TEST

START_TEST(listening_is_one_call) {
    CSB__AUTOFREE char *path = NULL;
    AUTOWORLD w;
    pid_t pid;

    world_make(&w);
    path = world_socket(&w, "one");
    pid = test_fork(listen_to, &w);
    ck_assert(test_wait(answers, path));
    ck_assert_int_eq(test_join_child(pid), 0);
    ck_assert(!test_exists(path));
}
END_TEST

START_TEST(bad_options_are_refused) {
    static const csb_hooks_options bad[] = {
        {sizeof(csb_hooks_options), ((size_t)8 << 20) + 1, 0, 0, 0},
        {sizeof(csb_hooks_options), 0, -1, 0, 0},
        {sizeof(csb_hooks_options), 0, 0, -1, 0},
        {sizeof(csb_hooks_options), 0, 0, 0, CSB_HOOKS_WATCH << 1},
        {0, 0, 0, 0, 0},
    };
    csb_hooks *hooks = NULL;
    AUTOWORLD w;

    world_make(&w);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        ck_assert_int_eq(csb_hooks_open(&w.ctx, &bad[i], world_on_event, &w, &hooks, NULL),
                         CSB_EINVAL);
    }
    ck_assert_ptr_null(hooks);
}
END_TEST

Suite *hooks_suite(void);
Suite *hooks_suite(void) {
    Suite *s = suite_create("hooks");
    TCase *tc = test_case(s, "hooks");

    tcase_add_test(tc, events_come_from_the_socket_they_came_on);
    tcase_add_test(tc, the_callback_answers);
    tcase_add_test(tc, only_this_user_gets_in);
    tcase_add_test(tc, sockets_of_deleted_vms_go);
    tcase_add_test(tc, what_is_in_the_way_goes_only_if_it_is_a_dead_socket);
    tcase_add_test(tc, vms_come_and_go);
    tcase_add_test(tc, a_silent_client_is_in_nobodys_way);
    tcase_add_test(tc, a_client_that_goes_early_does_no_harm);
    tcase_add_test(tc, bad_requests_get_their_status);
    tcase_add_test(tc, an_event_without_a_name_is_one);
    tcase_add_test(tc, a_limit_of_ones_own_holds);
    tcase_add_test(tc, eight_mib_are_taken_and_no_more);
    tcase_add_test(tc, curl_is_told_to_go_on);
    tcase_add_test(tc, too_many_at_a_time_are_refused_and_counted);
    tcase_add_test(tc, connections_of_one_vm_are_limited);
    tcase_add_test(tc, vms_have_their_turn);
    tcase_add_test(tc, the_callback_can_end_it);
    tcase_add_test(tc, waiting_can_be_ended);
    tcase_add_test(tc, a_forked_child_closes_nothing);
    tcase_add_test(tc, listening_is_one_call);
    tcase_add_test(tc, bad_options_are_refused);
    return s;
}
