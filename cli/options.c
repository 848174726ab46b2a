/* SPDX-License-Identifier: MIT */
/* The command line. Options may stand before or after the command, are never abbreviated, and an
 * empty value is refused rather than guessed about. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

const struct cli_command *const cli_commands[] = {
    &cmd_start,   &cmd_shell,    &cmd_status,        &cmd_events, &cmd_wait,
    &cmd_stop,    &cmd_stop_all, &cmd_fork,          &cmd_delete, &cmd_prune,
    &cmd_rebuild, &cmd_doctor,   &cmd_restart_hooks, NULL,
};

struct option {
    char letter; /* 0: none */
    const char *name;
    const char *value_name; /* NULL: a flag */
    const char *help;
    size_t offset;
    const char *commands; /* that take it, between blanks; NULL: every one, and be it for nothing */
};

#define AT(member) offsetof(struct cli_options, member)
#define STARTS " start shell "
#define MAKES " start shell fork "
#define SIZES " start shell fork rebuild-tools-vm "

static const struct option options[] = {
    {'d', "dir", "DIR", "the project (default: the current directory)", AT(dir), NULL},
    {'c', "clone-from", "VM", "make a new VM as a copy of this one, which must be stopped",
     AT(clone_from), " start shell status doctor "},
    {'t', "template", "FILE", "make a new VM from this template (YAML, as Lima has it)",
     AT(template), " start shell rebuild-tools-vm status doctor "},
    {'s', "settings", "DIR", "Claude's settings (default: ~/.claude-sandbox/.claude)", AT(settings),
     " start shell fork doctor "},
    {0, "settings-mode", "MODE", "rw: the VM may write the settings (default); ro: it may not",
     AT(settings_mode), MAKES},
    {0, "cpus", "N", "processors of the VM", AT(cpus), SIZES},
    {0, "mem", "SIZE", "memory of the VM, such as 4GiB", AT(mem), SIZES},
    {0, "disk", "SIZE", "disk of the VM, such as 40GiB; it can grow, not shrink", AT(disk), SIZES},
    {'p', "ports", "LIST",
     "ports of the VM to reach from here: HOST:GUEST or both alike, by commas", AT(ports), MAKES},
    {0, "engine", "NAME", "lima or qemu (default: what works here)", AT(engine), NULL},
    {0, "follow", NULL, "events: go on with those to come", AT(follow), " events "},
    {0, "vm", "VM", "events: only of this VM", AT(vm), " events "},
    {'n', "lines", "N", "events: so many of the last ones (default: 20)", AT(lines), " events "},
    {0, "for", "WHAT", "wait: idle (default), input or exit", AT(wait_for), " wait "},
    {0, "timeout", "TIME", "wait: for so long at most: 90, 90s, 10m or 2h", AT(timeout), " wait "},
    {'f', "force", NULL,
     "stop: pull the plug; delete, prune: don't ask, and whether it runs or not", AT(force),
     " stop stop-all delete prune "},
    {0, "suspend", NULL, "stop: keep what runs, to go on at the next start", AT(suspend),
     " stop stop-all "},
    {0, "force-mount", NULL, "let DIR be your home directory", AT(force_mount), MAKES},
    {0, "share-login", NULL, "log Claude in the VM in as Claude on this host is", AT(share_login),
     " start "},
    {0, "voice", NULL, "lend the VM the microphone, while it records", AT(voice), STARTS},
    {0, "dry-run", NULL, "prune: only say what would be deleted", AT(dry_run), " prune "},
    {0, "leftovers", NULL, "prune: no VMs, only what belongs to none", AT(leftovers), " prune "},
    {0, "json", NULL, "status, doctor, events: as JSON", AT(json), " status doctor events "},
    {'y', "yes", NULL, "don't ask", AT(yes), NULL},
    {0, "no-tmux", NULL, "start: neither make nor rename anything in tmux", AT(no_tmux), " start "},
    {'q', "quiet", NULL, "no progress", AT(quiet), NULL},
    {'v', "verbose", NULL, "say what is done", AT(verbose), NULL},
};
#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

static bool takes(const struct cli_command *c, const struct option *o) {
    char word[32];

    snprintf(word, sizeof(word), " %s ", c->name);
    return !o->commands || strstr(o->commands, word);
}

static void print_commands(void) {
    printf("Usage: claude-sandbox [OPTIONS] [COMMAND] [-- ARGS]\n\n"
           "Runs Claude Code in a virtual machine that sees one project directory.\n\n"
           "Commands:\n");
    for (int i = 0; cli_commands[i]; i++) {
        char line[64];

        snprintf(line, sizeof(line), "%s %s", cli_commands[i]->name, cli_commands[i]->arguments);
        printf("  %-22s %s\n", line, cli_commands[i]->summary);
    }
}

/* Of one command, or of all. */
static void print_help(const struct cli_command *c) {
    if (c) {
        printf("Usage: claude-sandbox %s [OPTIONS]%s%s\n\n%s\n", c->name, *c->arguments ? " " : "",
               c->arguments, c->summary);
    } else {
        print_commands();
    }
    printf("\nOptions:\n");
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option *o = &options[i];
        char letter[5] = "    ";
        char line[64];

        if (c && !takes(c, o)) {
            continue;
        }
        if (o->letter) {
            snprintf(letter, sizeof(letter), "-%c, ", o->letter);
        }
        snprintf(line, sizeof(line), "%s--%s%s%s", letter, o->name, o->value_name ? " " : "",
                 o->value_name ? o->value_name : "");
        printf("  %-22s %s\n", line, o->help);
    }
    printf("  %-22s %s\n  %-22s %s\n", "-h, --help", "this", "    --version", "the version");
    printf("\nExit status: Claude's or the program's own; 2 bad usage, 125 the sandbox failed,\n"
           "130 interrupted. %sSee claude-sandbox(1).\n",
           c ? "" : "Of one command: claude-sandbox COMMAND --help.\n");
}

void cli_list_options(void) {
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option *o = &options[i];

        printf("-%.1s\t--%s\t%s\t%s\t%s\n", &o->letter, o->name,
               o->value_name ? o->value_name : "-", o->help, o->commands ? o->commands : "-");
    }
    printf("-h\t--help\t-\tsay how it is used\t-\n-\t--version\t-\tsay the version\t-\n");
}

static const struct option *by_letter(char letter) {
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (options[i].letter && options[i].letter == letter) {
            return &options[i];
        }
    }
    return NULL;
}

static const struct option *by_name(const char *name, size_t len) {
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (strlen(options[i].name) == len && strncmp(options[i].name, name, len) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static void *member_of(const struct option *option, struct cli_options *o) {
    o->given |= UINT64_C(1) << (option - options);
    return (char *)o + option->offset;
}

static int take_value(const struct option *option, const char *value, struct cli_options *o) {
    if (!value || !*value) {
        return cli_usage_error("--%s needs a value (%s)", option->name, option->value_name);
    }
    *(const char **)member_of(option, o) = value;
    return -1;
}

/* The word behind, where that is its value. */
static const char *next_word(int argc, char **argv, int *i) {
    return *i + 1 < argc && strcmp(argv[*i + 1], "--") != 0 ? argv[++*i] : NULL;
}

/* "-n5", "-fy": flags may stand together, and the last letter may have a value. */
static int take_letters(int argc, char **argv, int *i, struct cli_options *o) {
    const char *word = argv[*i];

    for (const char *p = word + 1; *p; p++) {
        const struct option *option = by_letter(*p);

        if (!option) {
            return cli_usage_error("unknown option %s", word);
        }
        if (option->value_name) {
            return take_value(option, p[1] ? p + 1 : next_word(argc, argv, i), o);
        }
        *(bool *)member_of(option, o) = true;
    }
    return -1;
}

/* "--json", "--dir=DIR", or the word behind it. */
static int take_name(int argc, char **argv, int *i, struct cli_options *o) {
    const char *name = argv[*i] + 2;
    size_t len = strcspn(name, "=");
    const struct option *option = by_name(name, len);
    const char *value = name[len] ? name + len + 1 : NULL;

    if (!option) {
        return cli_usage_error("unknown option %s", argv[*i]);
    }
    if (option->value_name) {
        return take_value(option, value ? value : next_word(argc, argv, i), o);
    }
    if (value) {
        return cli_usage_error("--%s takes no value", option->name);
    }
    *(bool *)member_of(option, o) = true;
    return -1;
}

static int take_option(int argc, char **argv, int *i, struct cli_options *o) {
    return argv[*i][1] == '-' ? take_name(argc, argv, i, o) : take_letters(argc, argv, i, o);
}

static const struct cli_command *find_command(const char *name) {
    for (int i = 0; cli_commands[i]; i++) {
        if (strcmp(cli_commands[i]->name, name) == 0) {
            return cli_commands[i];
        }
    }
    return strcmp(name, cmd_complete.name) == 0 ? &cmd_complete : NULL;
}

/* " a b c " as "a, b and c". */
static void list_commands(const char *words, char *out, size_t size) {
    size_t len = 0;

    for (const char *w = words + 1; *w && len < size;) {
        size_t n = strcspn(w, " ");
        bool last = w[n + 1] == '\0';

        len += (size_t)snprintf(out + len, size - len, "%s%.*s",
                                w == words + 1 ? ""
                                : last         ? " and "
                                               : ", ",
                                (int)n, w);
        w += n + 1;
    }
}

/* One that would change nothing was meant to change something. */
static int check_options(const struct cli_command *c, const struct cli_options *o) {
    for (size_t i = 0; i < N_OPTIONS; i++) {
        char list[96];

        if ((o->given >> i & 1) && !takes(c, &options[i])) {
            list_commands(options[i].commands, list, sizeof(list));
            return cli_usage_error("--%s is for %s, not for %s", options[i].name, list, c->name);
        }
    }
    return -1;
}

static int check(const struct cli_command *c, const struct cli_options *o) {
    if (o->n_names > 0 && !c->takes_names) {
        return cli_usage_error("%s takes no argument \"%s\"%s", c->name, o->names[0],
                               c->takes_rest ? "; what is for the program inside goes behind --"
                                             : "");
    }
    if (o->rest && !c->takes_rest) {
        return cli_usage_error("%s takes nothing behind --", c->name);
    }
    if (o->n_names > 0 && o->dir && !c->names_others) {
        return cli_usage_error("either --dir or names of VMs, not both");
    }
    return check_options(c, o);
}

/* The command stands before --help, or behind it. */
static int help(const struct cli_command *before, int argc, char **argv, int i) {
    const struct cli_command *c = before;

    if (!c && i + 1 < argc) {
        c = find_command(argv[i + 1]);
    }
    print_help(c);
    return 0;
}

/* "-h" may share its dash, too. */
static bool asks_help(const char *word) {
    const struct option *option;

    if (word[0] != '-' || word[1] == '-') {
        return strcmp(word, "--help") == 0;
    }
    for (word++; *word && *word != 'h'; word++) {
        option = by_letter(*word);
        if (!option || option->value_name) {
            return false;
        }
    }
    return *word == 'h';
}

/* By a name that is a command's own: then the command need not be said. */
static const struct cli_command *called_as(const char *path) {
    const char *slash = path ? strrchr(path, '/') : NULL;

    return path && strcmp(slash ? slash + 1 : path, CLI_REBUILD) == 0 ? &cmd_rebuild : NULL;
}

int cli_parse(int argc, char **argv, struct cli_options *o, const struct cli_command **command) {
    const char **names = calloc((size_t)argc + 1, sizeof(*names)); /* lives as long as we do */
    int status = -1;

    *o = (struct cli_options){.names = names, .argc = argc, .argv = argv};
    *command = called_as(argv[0]);
    if (!names) {
        return EXIT_SANDBOX;
    }
    for (int i = 1; i < argc && status < 0; i++) {
        if (strcmp(argv[i], "--") == 0) {
            o->rest = (const char *const *)(argv + i + 1);
            break;
        }
        if (asks_help(argv[i])) {
            return help(*command, argc, argv, i);
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("claude-sandbox %s\n", csb_version());
            return 0;
        }
        if (argv[i][0] == '-' && argv[i][1]) {
            status = take_option(argc, argv, &i, o);
        } else if (!*command) {
            *command = find_command(argv[i]);
            status = *command ? -1 : cli_usage_error("unknown command \"%s\"", argv[i]);
        } else {
            names[o->n_names++] = argv[i];
        }
    }
    if (!*command) {
        *command = &cmd_start;
    }
    return status < 0 ? check(*command, o) : status;
}
