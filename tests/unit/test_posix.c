/* SPDX-License-Identifier: MIT */
#include "core/posix.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "support.h"

static bool is_cloexec(int fd) {
    return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

START_TEST(fds_are_born_cloexec) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOCLOSE int fd = csb__open(dir, O_RDONLY, 0);
    int fds[2];

    ck_assert(fd >= 0 && is_cloexec(fd));
    ck_assert_int_eq(csb__pipe(fds), 0);
    ck_assert(is_cloexec(fds[0]) && is_cloexec(fds[1]));
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(the_clock_goes_forward) {
    int64_t before = csb__now_ms();

    csb__sleep_ms(20);
    ck_assert_int_ge(csb__now_ms(), before + 19);
}
END_TEST

START_TEST(files_are_replaced_whole) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *path = test_join(dir, "file");
    CSB__AUTOFREE char *other = test_join(dir, "other name");
    CSB__AUTOFREE char *text = NULL;
    CSB__AUTOFREE char *old = NULL;
    struct stat st;

    ck_assert_int_eq(csb__write_file(path, "one", 3, 0600, NULL), 0);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    /* Whoever has the old one open goes on seeing the old one. */
    ck_assert_int_eq(link(path, other), 0);
    ck_assert_int_eq(csb__write_file(path, "two!", 4, 0400, NULL), 0);
    text = test_read(path);
    old = test_read(other);
    ck_assert_str_eq(text, "two!");
    ck_assert_str_eq(old, "one");
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0400);
    ck_assert_int_eq(test_count_entries(dir), 2);
}
END_TEST

START_TEST(links_are_replaced_not_followed) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *target = test_join(dir, "target");
    CSB__AUTOFREE char *link = test_join(dir, "link");
    CSB__AUTOFREE char *text = NULL;

    test_write(target, "kept", 0600);
    ck_assert_int_eq(symlink(target, link), 0);
    ck_assert_int_eq(csb__write_file(link, "x", 1, 0600, NULL), 0);
    text = test_read(target);
    ck_assert_str_eq(text, "kept");
}
END_TEST

START_TEST(a_failed_write_leaves_nothing) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *missing = test_join(dir, "missing/file");
    CSB__AUTOFREE char *taken = test_join(dir, "taken");
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOERROR csb_error *e2 = NULL;

    ck_assert_int_eq(csb__write_file(missing, "x", 1, 0600, &e), CSB_ESYSTEM);
    ck_assert_int_eq(csb_error_errno(e), ENOENT);
    ck_assert_int_eq(test_count_entries(dir), 0);

    ck_assert_int_eq(mkdir(taken, 0700), 0);
    ck_assert_int_eq(csb__write_file(taken, "x", 1, 0600, &e2), CSB_ESYSTEM);
    test_check_error(e2, CSB_ESYSTEM, taken);
    ck_assert_int_eq(test_count_entries(dir), 1);
}
END_TEST

static int write_refused(void *arg) {
    csb_error *e = NULL;

    if (geteuid() == 0 && seteuid(65534) != 0) {
        return 0;
    }
    return csb__write_file(arg, "x", 1, 0600, &e) == CSB_ESYSTEM && csb_error_errno(e) == EACCES
               ? 0
               : 1;
}

START_TEST(a_refused_write_says_so) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *path = test_join(dir, "file");

    test_write(path, "kept", 0600);
    ck_assert_int_eq(chmod(dir, 0555), 0);
    ck_assert_int_eq(test_join_child(test_fork(write_refused, path)), 0);
    ck_assert_int_eq(test_count_entries(dir), 1);
    ck_assert_int_eq(chmod(dir, 0755), 0);
}
END_TEST

START_TEST(reading_has_a_limit) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *path = test_join(dir, "file");
    CSB__AUTOFREE char *link = test_join(dir, "link");
    CSB__AUTOFREE char *none = test_join(dir, "none");
    CSB__AUTOSTRBUF all = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF less = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF nothing = CSB__STRBUF_INIT;

    test_write(path, "0123456789", 0600);
    ck_assert_int_eq(symlink(path, link), 0);
    ck_assert_int_eq(csb__read_file(path, 10, &all), 0);
    ck_assert_str_eq(csb__strbuf_text(&all), "0123456789");
    ck_assert_int_eq(csb__read_file(path, 9, &less), EFBIG);
    ck_assert_int_eq(csb__read_file(none, 9, &nothing), ENOENT);
    ck_assert_int_eq(csb__read_file(link, 100, &nothing), ELOOP);
    ck_assert_int_eq(csb__read_file(dir, 100, &nothing), EISDIR);
    ck_assert_uint_eq(nothing.len, 0);
}
END_TEST

START_TEST(the_tail_of_a_file) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *path = test_join(dir, "file");
    CSB__AUTOFREE char *none = test_join(dir, "none");
    CSB__AUTOFREE char *big = malloc(40001);
    CSB__AUTOSTRBUF tail = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF all = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF nothing = CSB__STRBUF_INIT;

    memset(big, 'a', 40000);
    memset(big + 40000 - 20000, 'b', 20000);
    big[40000] = '\0';
    test_write(path, big, 0600);
    csb__read_tail(path, 20000, &tail);
    ck_assert_uint_eq(tail.len, 20000);
    ck_assert_ptr_null(memchr(tail.data, 'a', tail.len));
    csb__read_tail(path, 50000, &all);
    ck_assert_uint_eq(all.len, 40000);
    csb__read_tail(none, 10, &nothing);
    ck_assert_str_eq(csb__strbuf_text(&nothing), "");
}
END_TEST

START_TEST(a_tail_comes_behind_what_is_there) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *path = test_join(dir, "file");
    CSB__AUTOFREE char *fifo = test_join(dir, "fifo");
    CSB__AUTOSTRBUF out = CSB__STRBUF_INIT;

    test_write(path, "0123456789", 0600);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    csb__strbuf_puts(&out, "head ");
    csb__read_tail(path, 4, &out);
    csb__read_tail(fifo, 4, &out);
    csb__read_tail(dir, 4, &out);
    ck_assert_str_eq(csb__strbuf_text(&out), "head 6789");
}
END_TEST

static int write_for_ever(void *arg) {
    CSB__AUTOCLOSE int fd = csb__open(arg, O_WRONLY | O_APPEND, 0);

    for (int i = 0; i < 1000000 && write(fd, "x", 1) == 1; i++) {
    }
    return 0;
}

START_TEST(the_tail_of_a_file_that_grows) {
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *path = test_join(dir, "file");
    pid_t writer;

    test_write(path, "0123456789", 0600);
    writer = test_fork(write_for_ever, path);
    for (int i = 0; i < 2000; i++) {
        CSB__AUTOSTRBUF out = CSB__STRBUF_INIT;

        csb__read_tail(path, 10, &out);
        ck_assert_uint_eq(out.len, 10);
    }
    kill(writer, SIGKILL);
    test_join_child(writer);
}
END_TEST

/* A program that uses the library may have left SIGPIPE as it is. */
static int write_to_nobody(void *arg) {
    int fds[2];

    (void)arg;
    signal(SIGPIPE, SIG_DFL);
    if (csb__pipe(fds) != 0) {
        return 2;
    }
    close(fds[0]);
    if (csb__write_all(fds[1], "x", 1) != EPIPE) {
        return 1;
    }
    /* Its own SIGPIPE, raised for its own reasons, is still its own. */
    kill(getpid(), SIGPIPE);
    return 3;
}

START_TEST(nobody_dies_of_a_closed_pipe) {
    ck_assert_int_eq(test_join_child(test_fork(write_to_nobody, NULL)), 128 + SIGPIPE);
}
END_TEST

static int write_to_nobody_then_end(void *arg) {
    int fds[2];

    (void)arg;
    signal(SIGPIPE, SIG_DFL);
    if (csb__pipe(fds) != 0) {
        return 2;
    }
    close(fds[0]);
    return csb__write_all(fds[1], "x", 1) == EPIPE ? 0 : 1;
}

START_TEST(a_closed_pipe_is_an_error_number) {
    ck_assert_int_eq(test_join_child(test_fork(write_to_nobody_then_end, NULL)), 0);
}
END_TEST

START_TEST(random_hex_is_hex) {
    char a[65];
    char b[65];

    ck_assert_int_eq(csb__random_hex(a, 64), 0);
    ck_assert_int_eq(csb__random_hex(b, 64), 0);
    ck_assert_uint_eq(strlen(a), 64);
    ck_assert_uint_eq(strspn(a, "0123456789abcdef"), 64);
    ck_assert_str_ne(a, b);
    ck_assert_int_eq(csb__random_hex(a, 7), 0);
    ck_assert_uint_eq(strlen(a), 7);
    ck_assert_int_eq(csb__random_hex(a, 65), -1);
}
END_TEST

START_TEST(socket_paths_have_a_length) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *path = test_join(dir, "s");
    CSB__AUTOFREE char *none = test_join(dir, "none");
    CSB__AUTOCLOSE int server = socket(AF_UNIX, SOCK_STREAM, 0);
    CSB__AUTOCLOSE int fd = -1;
    char longest[sizeof(addr.sun_path) + 1];

    memset(longest, 'x', sizeof(longest));
    longest[sizeof(addr.sun_path)] = '\0';
    ck_assert(!csb__unix_path_fits(longest));
    ck_assert_int_eq(csb__unix_connect(longest), -1);
    ck_assert_int_eq(errno, ENAMETOOLONG);
    longest[sizeof(addr.sun_path) - 1] = '\0';
    ck_assert(csb__unix_path_fits(longest));

    ck_assert_int_eq(csb__unix_connect(none), -1);
    ck_assert_int_eq(errno, ENOENT);
    strcpy(addr.sun_path, path);
    ck_assert_int_eq(bind(server, (struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(csb__unix_connect(path), -1);
    ck_assert_int_eq(errno, ECONNREFUSED);
    ck_assert_int_eq(listen(server, 1), 0);
    fd = csb__unix_connect(path);
    ck_assert(fd >= 0 && is_cloexec(fd));
}
END_TEST

Suite *posix_suite(void);
Suite *posix_suite(void) {
    Suite *s = suite_create("posix");
    TCase *tc = test_case(s, "posix");

    tcase_add_test(tc, fds_are_born_cloexec);
    tcase_add_test(tc, the_clock_goes_forward);
    tcase_add_test(tc, files_are_replaced_whole);
    tcase_add_test(tc, links_are_replaced_not_followed);
    tcase_add_test(tc, a_failed_write_leaves_nothing);
    tcase_add_test(tc, a_refused_write_says_so);
    tcase_add_test(tc, reading_has_a_limit);
    tcase_add_test(tc, the_tail_of_a_file);
    tcase_add_test(tc, a_tail_comes_behind_what_is_there);
    tcase_add_test(tc, the_tail_of_a_file_that_grows);
    tcase_add_test(tc, nobody_dies_of_a_closed_pipe);
    tcase_add_test(tc, a_closed_pipe_is_an_error_number);
    tcase_add_test(tc, random_hex_is_hex);
    tcase_add_test(tc, socket_paths_have_a_length);
    return s;
}
