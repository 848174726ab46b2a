/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "support.h"

/* The table of options names the commands; what they do is of no matter here. */
const struct cli_command cmd_start = {
    .name = "start", .arguments = "", .summary = "", .takes_rest = true};
const struct cli_command cmd_shell = {
    .name = "shell", .arguments = "", .summary = "", .takes_rest = true};
const struct cli_command cmd_status = {.name = "status", .arguments = "", .summary = ""};
const struct cli_command cmd_events = {.name = "events", .arguments = "", .summary = ""};
const struct cli_command cmd_wait = {
    .name = "wait", .arguments = "", .summary = "", .takes_names = true};
const struct cli_command cmd_stop = {
    .name = "stop", .arguments = "", .summary = "", .takes_names = true};
const struct cli_command cmd_stop_all = {.name = "stop-all", .arguments = "", .summary = ""};
const struct cli_command cmd_fork = {
    .name = "fork", .arguments = "", .summary = "", .takes_names = true, .names_others = true};
const struct cli_command cmd_prune = {.name = "prune", .arguments = "", .summary = ""};
const struct cli_command cmd_complete = {.name = "__complete", .arguments = "", .summary = ""};
const struct cli_command cmd_doctor = {.name = "doctor", .arguments = "", .summary = ""};
const struct cli_command cmd_restart_hooks = {
    .name = "restart-hooks", .arguments = "", .summary = ""};
const struct cli_command cmd_rebuild = {
    .name = CLI_REBUILD, .arguments = "", .summary = "", .takes_names = true};
const struct cli_command cmd_delete = {
    .name = "delete", .arguments = "", .summary = "", .takes_names = true};

#define WORDS_MAX 16

/* A command line, split at blanks; stays as long as the options that point into it. */
struct line {
    char text[256];
    char *argv[WORDS_MAX + 1];
    struct cli_options o;
    const struct cli_command *command;
};

static int parse(struct line *l, const char *text) {
    char *save = NULL;
    int argc = 0;

    *l = (struct line){0};
    snprintf(l->text, sizeof(l->text), "claude-sandbox %s", text);
    for (char *word = strtok_r(l->text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        ck_assert_int_lt(argc, WORDS_MAX);
        l->argv[argc++] = word;
    }
    return cli_parse(argc, l->argv, &l->o, &l->command);
}

static void line_finish(struct line *l) {
    free((void *)l->o.names);
    *l = (struct line){0};
}

#define AUTOLINE CSB__CLEANUP(line_finish) struct line

START_TEST(nothing_means_start) {
    AUTOLINE l;

    ck_assert_int_eq(parse(&l, ""), -1);
    ck_assert_ptr_eq(l.command, &cmd_start);
    ck_assert_ptr_null(l.o.rest);
    ck_assert_ptr_null(l.o.dir);
    ck_assert_int_eq(l.o.n_names, 0);
    line_finish(&l);
    ck_assert_int_eq(parse(&l, "-q start -- x"), -1);
    ck_assert_ptr_eq(l.command, &cmd_start);
}
END_TEST

START_TEST(options_stand_anywhere) {
    static const char *const lines[] = {
        "-d /p -q stop",    "stop -d /p -q", "--dir /p stop --quiet",
        "stop --dir=/p -q", "-d/p stop -q",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        AUTOLINE l;

        ck_assert_msg(parse(&l, lines[i]) == -1, "%s", lines[i]);
        ck_assert_ptr_eq(l.command, &cmd_stop);
        ck_assert_str_eq(l.o.dir, "/p");
        ck_assert(l.o.quiet && !l.o.force && !l.o.verbose);
    }
}
END_TEST

START_TEST(every_option_lands_in_its_place) {
    AUTOLINE l;

    ck_assert_int_eq(parse(&l, "--clone-from c --template=t -s s --cpus 4 --mem 1G --disk 2G"), -1);
    ck_assert_str_eq(l.o.clone_from, "c");
    ck_assert_str_eq(l.o.template, "t");
    ck_assert_str_eq(l.o.settings, "s");
    ck_assert_str_eq(l.o.cpus, "4");
    ck_assert_str_eq(l.o.mem, "1G");
    ck_assert_str_eq(l.o.disk, "2G");
    line_finish(&l);
    ck_assert_int_eq(parse(&l, "--engine qemu --force-mount --share-login --no-tmux -p 80"), -1);
    ck_assert_str_eq(l.o.engine, "qemu");
    ck_assert(l.o.force_mount && l.o.share_login && l.o.no_tmux);
    ck_assert_str_eq(l.o.ports, "80");
    line_finish(&l);
    ck_assert_int_eq(parse(&l, "prune --force --yes --quiet --verbose --dry-run --leftovers"), -1);
    ck_assert(l.o.force && l.o.yes && l.o.quiet && l.o.verbose && l.o.dry_run && l.o.leftovers);
    line_finish(&l);
    ck_assert_int_eq(parse(&l, "events --json --follow --vm v -n 3"), -1);
    ck_assert(l.o.json && l.o.follow);
    ck_assert_str_eq(l.o.vm, "v");
    ck_assert_str_eq(l.o.lines, "3");
}
END_TEST

/* Wherever it stands: what would be ignored is not what somebody meant. */
START_TEST(options_are_for_some_commands) {
    static const char *const bad[] = {
        "--mem 4G stop",       "stop --mem 4G",         "status -p 80",     "--follow",
        "shell --share-login", "rebuild-tools-vm -c x", "wait --json",      "events --for x",
        "fork --suspend",      "shell --force",         "delete --dry-run",
    };
    static const char *const good[] = {
        "status -d /p",          "doctor -s s",
        "restart-hooks -q -v",   "rebuild-tools-vm --mem 4G",
        "fork v --mem 4G -p 80", "stop-all --suspend",
        "status -t t",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTOLINE l;

        ck_assert_msg(parse(&l, bad[i]) == EXIT_USAGE, "%s", bad[i]);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        AUTOLINE l;

        ck_assert_msg(parse(&l, good[i]) == -1, "%s", good[i]);
    }
}
END_TEST

START_TEST(the_rest_is_not_ours) {
    AUTOLINE l;

    ck_assert_int_eq(parse(&l, "shell -q -- -d --help shell -- x"), -1);
    ck_assert_ptr_eq(l.command, &cmd_shell);
    ck_assert_ptr_null(l.o.dir);
    ck_assert_str_eq(l.o.rest[0], "-d");
    ck_assert_str_eq(l.o.rest[1], "--help");
    ck_assert_str_eq(l.o.rest[3], "--");
    ck_assert_str_eq(l.o.rest[4], "x");
    ck_assert_ptr_null(l.o.rest[5]);
    line_finish(&l);
    ck_assert_int_eq(parse(&l, "--"), -1);
    ck_assert_ptr_eq(l.command, &cmd_start);
    ck_assert_ptr_nonnull(l.o.rest);
    ck_assert_ptr_null(l.o.rest[0]);
}
END_TEST

START_TEST(names_are_collected) {
    AUTOLINE l;

    ck_assert_int_eq(parse(&l, "delete a -f b - c"), -1);
    ck_assert_ptr_eq(l.command, &cmd_delete);
    ck_assert_int_eq(l.o.n_names, 4);
    ck_assert_str_eq(l.o.names[0], "a");
    ck_assert_str_eq(l.o.names[2], "-");
    ck_assert_str_eq(l.o.names[3], "c");
}
END_TEST

START_TEST(mistakes_are_the_users) {
    static const char *const lines[] = {
        "nonsense",  "sta",          "--nonsense", "-x",          "--di /p",
        "--dir",     "--dir=",       "-d",         "--quiet=yes", "-qx",
        "--cpus",    "status name",  "start name", "shell ls",    "status -- x",
        "stop -- x", "stop -d /p a", "-",          "--=x",        "--force-moun",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        AUTOLINE l;

        ck_assert_msg(parse(&l, lines[i]) == EXIT_USAGE, "%s", lines[i]);
    }
}
END_TEST

START_TEST(an_empty_value_is_refused) {
    char name[] = "claude-sandbox";
    char option[] = "--template";
    char empty[] = "";
    char *argv[] = {name, option, empty, NULL};
    struct cli_options o;
    const struct cli_command *command;

    ck_assert_int_eq(cli_parse(3, argv, &o, &command), EXIT_USAGE);
    free((void *)o.names);
}
END_TEST

START_TEST(a_program_named_as_a_command_is_one) {
    static const char *const paths[] = {"rebuild-tools-vm", "/opt/x/bin/rebuild-tools-vm"};

    for (size_t i = 0; i < 2; i++) {
        char path[64];
        char name[] = "stop";
        char *argv[] = {path, name, NULL};
        struct cli_options o;
        const struct cli_command *command;

        snprintf(path, sizeof(path), "%s", paths[i]);
        ck_assert_int_eq(cli_parse(2, argv, &o, &command), -1);
        ck_assert_ptr_eq(command, &cmd_rebuild);
        ck_assert_str_eq(o.names[0], "stop");
        free((void *)o.names);
    }
}
END_TEST

Suite *cli_options_suite(void);
Suite *cli_options_suite(void) {
    Suite *s = suite_create("cli_options");
    TCase *tc = test_case(s, "cli_options");

    tcase_add_test(tc, nothing_means_start);
    tcase_add_test(tc, options_stand_anywhere);
    tcase_add_test(tc, every_option_lands_in_its_place);
    tcase_add_test(tc, options_are_for_some_commands);
    tcase_add_test(tc, the_rest_is_not_ours);
    tcase_add_test(tc, names_are_collected);
    tcase_add_test(tc, mistakes_are_the_users);
    tcase_add_test(tc, an_empty_value_is_refused);
    tcase_add_test(tc, a_program_named_as_a_command_is_one);
    return s;
}
