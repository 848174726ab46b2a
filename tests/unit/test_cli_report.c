/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "support.h"

/* What goes to stderr between the two. */
struct capture {
    char *path;
    int saved;
};

static void capture_begin(struct capture *c) {
    CSB__AUTOFREE char *dir = test_dir();
    int fd;

    c->path = test_join(dir, "stderr");
    fd = open(c->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    fflush(stderr);
    c->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    ck_assert(fd >= 0 && c->saved >= 0 && dup2(fd, STDERR_FILENO) == STDERR_FILENO);
    close(fd);
}

static char *capture_end(struct capture *c) {
    char *text;

    fflush(stderr);
    ck_assert_int_eq(dup2(c->saved, STDERR_FILENO), STDERR_FILENO);
    close(c->saved);
    text = test_read(c->path);
    free(c->path);
    return text;
}

START_TEST(an_error_in_full) {
    struct capture c;
    CSB__AUTOFREE char *text = NULL;
    csb_error *e = NULL;
    int status;

    csb__fail(&e, CSB_EENGINE, "it failed");
    csb__error_set_hint(&e, "do this");
    csb__error_set_child(&e, 1, "one\r\ntwo\n\n \n", 12);
    capture_begin(&c);
    status = cli_report(e);
    text = capture_end(&c);
    ck_assert_int_eq(status, EXIT_SANDBOX);
    ck_assert_str_eq(text, "claude-sandbox: it failed\n  | one\n  | two\n  try: do this\n");
}
END_TEST

START_TEST(codes_become_statuses) {
    static const struct {
        int code;
        int status;
    } table[] = {
        {CSB_EINVAL, 2},     {CSB_ECANCELED, 130}, {CSB_ENOTFOUND, 125},
        {CSB_ETIMEOUT, 125}, {CSB_ENOMEM, 125},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct capture c;
        CSB__AUTOFREE char *text = NULL;
        csb_error *e = NULL;
        int status;

        csb__fail(&e, table[i].code, "x");
        csb__error_set_child(&e, 1, "said", 4);
        capture_begin(&c);
        status = cli_report(e);
        text = capture_end(&c);
        ck_assert_int_eq(status, table[i].status);
        /* Whoever pressed Ctrl-C knows why it ended. */
        ck_assert_int_eq(strstr(text, "said") == NULL, table[i].code == CSB_ECANCELED);
    }
}
END_TEST

START_TEST(only_the_last_lines) {
    struct capture c;
    CSB__AUTOSTRBUF detail = CSB__STRBUF_INIT;
    CSB__AUTOFREE char *text = NULL;
    csb_error *e = NULL;

    for (int i = 1; i <= 40; i++) {
        csb__strbuf_printf(&detail, "line %d\n", i);
    }
    csb__fail(&e, CSB_EENGINE, "x");
    csb__error_set_child(&e, 1, csb__strbuf_text(&detail), detail.len);
    capture_begin(&c);
    cli_report(e);
    text = capture_end(&c);
    ck_assert_ptr_null(strstr(text, "| line 25\n"));
    ck_assert_ptr_nonnull(strstr(text, "x\n  | line 26\n"));
    ck_assert_ptr_nonnull(strstr(text, "| line 40\n"));
}
END_TEST

START_TEST(a_terminal_is_not_talked_into_things) {
    struct capture c;
    CSB__AUTOFREE char *text = NULL;

    capture_begin(&c);
    cli_print_safe("a\x1b[31mb\x07"
                   "c\rd\ne\x7f\tf\xc2\x9bg\xc3\xa9\xc2\xa9");
    text = capture_end(&c);
    ck_assert_str_eq(text, "claude-sandbox: a?[31mb?c?d?e?\tf?g\xc3\xa9\xc2\xa9\n");
}
END_TEST

Suite *cli_report_suite(void);
Suite *cli_report_suite(void) {
    Suite *s = suite_create("cli_report");
    TCase *tc = test_case(s, "cli_report");

    tcase_add_test(tc, an_error_in_full);
    tcase_add_test(tc, codes_become_statuses);
    tcase_add_test(tc, only_the_last_lines);
    tcase_add_test(tc, a_terminal_is_not_talked_into_things);
    return s;
}
