/* SPDX-License-Identifier: MIT */
/* The command line of a server. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <claudesandbox/version.h>

#include "internal.h"

#define STOP_MS 5000
#define KILL_MS 2000
#define STATUS_MS 2000

static int usage_error(const struct daemon *d, const char *word) {
    daemon_say(d, "unknown or superfluous: \"%s\"; see %s --help", word, d->program->name);
    return DAEMON_USAGE;
}

static void print_verb(const char *name, const char *arguments, const char *help) {
    char left[64];

    snprintf(left, sizeof(left), "%s %s", name, arguments);
    printf("  %-20s %s\n", left, help);
}

static int print_help(const struct daemon_program *p) {
    printf("Usage: %s [VERB]\n\n%s\n\nVerbs:\n", p->name, p->summary);
    print_verb("run", "", "serve, until a signal or `stop` ends it (also without a verb)");
    print_verb("start", "", "serve in the background; returns when it is ready");
    print_verb("stop", "", "end the one that runs");
    print_verb("restart", "", "stop and start");
    print_verb("status", "[--json]", "is it running, and what does it do");
    for (const struct daemon_verb *v = p->verbs; v && v->name; v++) {
        print_verb(v->name, v->arguments, v->help);
    }
    printf("\nExit status: 0 done, 1 not running, 2 bad usage, 125 failed.\n");
    return DAEMON_DONE;
}

/* One that can't be reached is just beginning or ending: it is asked again. */
static bool stop_by_asking(struct daemon *d) {
    int64_t deadline = daemon_now_ms() + STOP_MS;
    int status = DAEMON_NOT_RUNNING;

    while (daemon__is_locked(d)) {
        if (daemon_now_ms() > deadline) {
            return false;
        }
        if (status != DAEMON_DONE) {
            status = daemon_ask(d, "stop", NULL);
        }
        daemon__sleep_ms(5);
    }
    return true;
}

/* The system says who listens there, so that this is no stale number of somebody else. */
static bool stop_by_force(struct daemon *d) {
    int64_t deadline = daemon_now_ms() + KILL_MS;
    pid_t pid = daemon__ask_pid(d);

    if (pid > 1) {
        kill(pid, SIGKILL);
    }
    while (daemon__is_locked(d)) {
        if (daemon_now_ms() > deadline) {
            return false;
        }
        daemon__sleep_ms(5);
    }
    return true;
}

/* NULL when it did not end. */
static const char *stop(struct daemon *d) {
    if (!daemon__is_locked(d)) {
        return "is not running";
    }
    if (stop_by_asking(d)) {
        return "stopped";
    }
    if (stop_by_force(d)) {
        return "did not answer, and was ended by force";
    }
    daemon_fail(d, "does not end");
    return NULL;
}

static int verb_run(struct daemon *d, int argc, char **argv) {
    return argc ? usage_error(d, argv[0]) : daemon__serve(d);
}

static int verb_start(struct daemon *d, int argc, char **argv) {
    return argc ? usage_error(d, argv[0]) : daemon__start(d);
}

static int verb_stop(struct daemon *d, int argc, char **argv) {
    const char *outcome;

    if (argc) {
        return usage_error(d, argv[0]);
    }
    if (daemon__find_files(d) != 0) {
        return DAEMON_FAILED;
    }
    outcome = stop(d);
    if (outcome) {
        printf("%s: %s\n", d->program->name, outcome);
    }
    return outcome ? DAEMON_DONE : DAEMON_FAILED;
}

static int verb_restart(struct daemon *d, int argc, char **argv) {
    if (argc) {
        return usage_error(d, argv[0]);
    }
    if (daemon__find_files(d) != 0 || !stop(d)) {
        return DAEMON_FAILED;
    }
    daemon__forget_files(d); /* the background finds its own: it closes what was opened here */
    return daemon__start(d);
}

/* One that is just beginning or ending will be the one or the other soon. */
static int ask_status(struct daemon *d, const char *line) {
    int64_t deadline = daemon_now_ms() + STATUS_MS;
    int status;

    while ((status = daemon_ask(d, line, stdout)) != DAEMON_DONE) {
        if (!daemon__is_locked(d)) {
            return DAEMON_NOT_RUNNING;
        }
        if (daemon_now_ms() > deadline) {
            if (status == DAEMON_NOT_RUNNING) {
                daemon_fail(d, "is just beginning or ending");
            }
            return DAEMON_FAILED;
        }
        daemon__sleep_ms(5);
    }
    return status;
}

static int verb_status(struct daemon *d, int argc, char **argv) {
    bool json = argc > 0 && strcmp(argv[0], "--json") == 0;
    int status;

    if (argc > (json ? 1 : 0)) {
        return usage_error(d, argv[json ? 1 : 0]);
    }
    if (daemon__find_files(d) != 0) {
        return DAEMON_FAILED;
    }
    status = ask_status(d, json ? "status json" : "status");
    if (status == DAEMON_NOT_RUNNING) {
        printf(json ? "{\"schema\":1,\"name\":\"%s\",\"running\":false}\n" : "%s: not running\n",
               d->program->name);
    }
    return status;
}

static const struct daemon_verb common_verbs[] = {
    {"run", "", "", verb_run},         {"start", "", "", verb_start},   {"stop", "", "", verb_stop},
    {"restart", "", "", verb_restart}, {"status", "", "", verb_status}, {NULL, NULL, NULL, NULL},
};

static const struct daemon_verb *find_verb(const struct daemon_verb *list, const char *name) {
    for (; list && list->name; list++) {
        if (strcmp(list->name, name) == 0) {
            return list;
        }
    }
    return NULL;
}

static int run_verb(struct daemon *d, int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "run";
    const struct daemon_verb *verb = find_verb(common_verbs, name);
    int n = argc > 2 ? argc - 2 : 0;
    int status;

    if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0) {
        return print_help(d->program);
    }
    if (strcmp(name, "--version") == 0) {
        printf("%s %s\n", d->program->name, csb_version());
        return DAEMON_DONE;
    }
    if (!verb) {
        verb = find_verb(d->program->verbs, name);
        if (!verb) {
            return usage_error(d, name);
        }
        if (daemon__find_files(d) != 0) {
            daemon_say(d, "%s", d->reason);
            return DAEMON_FAILED;
        }
    }
    status = verb->run(d, n, argv + argc - n);
    if (status == DAEMON_FAILED && *d->reason) {
        daemon_say(d, "%s", d->reason);
    }
    return status;
}

/* A stream that our parent has closed is as if it led nowhere, and not the next file we open. */
static void open_streams(void) {
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= 2);
    if (fd > 2) {
        close(fd);
    }
}

void *daemon_userdata(const struct daemon *d) {
    return d->program->userdata;
}

csb_ctx *daemon_ctx(const struct daemon *d) {
    return d->ctx;
}

static void finish(struct daemon *d) {
    daemon__forget_files(d);
    free(d->watches);
    free(d->polled);
    free(d->serials);
}

int daemon_main(const struct daemon_program *program, int argc, char **argv) {
    struct daemon d = {.program = program,
                       .lock_fd = -1,
                       .listen_fd = -1,
                       .signal_fds = {-1, -1},
                       .starter_fd = -1};
    int status;

    for (int i = 0; i < CLIENTS_MAX; i++) {
        d.clients[i].fd = -1;
    }
    open_streams();
    signal(SIGPIPE, SIG_IGN);
    status = run_verb(&d, argc, argv);
    finish(&d); /* and with the process goes the lock */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        daemon_say(&d, "the output could not be written");
        return status ? status : DAEMON_FAILED;
    }
    return status;
}
