/*
 * The keeper of one program: runs it in a session of ssh, stays beside it, and ends it when the host's
 * side of that session is gone. It has the session's stdin for that: what comes there is not the
 * program's input but a line for the keeper each, the name of a signal or "end", and its end is the
 * host's. On a terminal stdin is the program's, and the keeper only sees the terminal hang up.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_MS 2000
#define STEP_MS 20
#define WORD_MAX 16

typedef struct kept {
    pid_t pid;
    pid_t group; /* of its own, which nobody leads; on a terminal ours too, or that would stop it */
    bool terminal;
    bool ended;
    int wstatus;
    sigset_t old_mask;
} kept;

/* Reaps all that there is: what the program leaves comes to us, too. */
static bool has_ended(kept *k) {
    int wstatus;
    pid_t pid;

    while ((pid = waitpid(-1, &wstatus, WNOHANG)) > 0) {
        if (pid == k->pid) {
            k->ended = true;
            k->wstatus = wstatus;
        }
    }
    return k->ended;
}

static void say(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
}

/* In the child: what a shell would say and return where it can't. */
static void become_program(const kept *k, char **argv) {
    int status;

    if (!k->terminal) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        setpgid(0, k->group);
        if (null < 0 || dup2(null, 0) < 0) {
            say("/dev/null");
            _exit(126);
        }
    }
    sigprocmask(SIG_SETMASK, &k->old_mask, NULL);
    execvp(argv[0], argv);
    status = errno == ENOENT ? 127 : 126;
    say(argv[0]);
    _exit(status);
}

/* Whoever leads a group can't make a session, and setsid(1) goes to the background then. So it is led by
 * a process that has ended; the group lasts until that is reaped, and then for as long as it has others. */
static pid_t make_group(void) {
    pid_t leader = fork();

    if (leader == 0) {
        _exit(0);
    }
    if (leader > 0) {
        setpgid(leader, leader);
    }
    return leader;
}

static int begin(kept *k, char **argv) {
    k->group = k->terminal ? getpgrp() : make_group();
    k->pid = k->group > 0 ? fork() : -1;
    if (k->pid == 0) {
        become_program(k, argv);
    }
    if (k->pid < 0) {
        say("fork");
        return -1;
    }
    if (!k->terminal) {
        setpgid(k->pid, k->group);
        waitpid(k->group, NULL, 0);
    }
    return 0;
}

/* Nobody is left. Where we are in the group ourselves there is no telling. */
static bool is_over(kept *k) {
    (void)has_ended(k);
    return !k->terminal && kill(-k->group, 0) != 0;
}

/* A signal, and some time to obey; one that is stopped has to go on for that. */
static void press(kept *k, int signo) {
    kill(-k->group, signo);
    kill(-k->group, SIGCONT);
    for (int left = GRACE_MS; left > 0 && !is_over(k); left -= STEP_MS) {
        sleep_ms(STEP_MS);
    }
}

static void finish(kept *k, bool hang_up) {
    static const int signals[] = {SIGHUP, SIGTERM, SIGKILL};

    for (size_t i = hang_up ? 0 : 1; i < 3 && !is_over(k); i++) {
        press(k, signals[i]);
    }
}

/* Numbers differ between systems, so they come by name: those of csb__signal_name(). */
static int signal_of(const char *name) {
    static const struct {
        const char *name;
        int signo;
    } signals[] = {
        {"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"ABRT", SIGABRT},
        {"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"PIPE", SIGPIPE},
        {"ALRM", SIGALRM}, {"TERM", SIGTERM}, {"CONT", SIGCONT}, {"STOP", SIGSTOP},
        {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU}, {"WINCH", SIGWINCH},
    };

    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        if (strcmp(signals[i].name, name) == 0) {
            return signals[i].signo;
        }
    }
    return 0;
}

static void obey(kept *k, const char *word) {
    int signo = signal_of(word);

    if (strcmp(word, "end") == 0) {
        finish(k, false);
    } else if (signo && !has_ended(k)) {
        kill(-k->group, signo);
    }
}

/* What there is to read now; false at the end. */
static bool listen_to_host(kept *k) {
    static char word[WORD_MAX];
    static size_t len;
    char buf[64];
    ssize_t n = read(0, buf, sizeof buf);

    for (ssize_t i = 0; i < n; i++) {
        if (buf[i] == '\n') {
            word[len] = '\0';
            len = 0;
            obey(k, word);
        } else if (len + 1 < sizeof word) {
            word[len++] = buf[i];
        }
    }
    return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Until the program has ended, or the host's side is gone and all was done about it. */
static void watch(kept *k, int children) {
    struct pollfd p[2] = {{.fd = 0, .events = k->terminal ? 0 : POLLIN},
                          {.fd = children, .events = POLLIN}};

    do {
        struct signalfd_siginfo info;

        if (poll(p, 2, -1) < 0) {
            continue;
        }
        /* A terminal that hangs up ends most programs itself, but not all that they started. */
        if (p[0].revents & POLLIN ? !listen_to_host(k) : p[0].revents != 0) {
            finish(k, true);
            return; /* also from what may not be ended by us */
        }
        if (p[1].revents & POLLIN) {
            (void)!read(children, &info, sizeof info);
        }
    } while (!has_ended(k));
}

/* Whether the host's side was gone before anything began. */
static bool is_alone(void) {
    struct pollfd p = {.fd = 0, .events = 0};

    return poll(&p, 1, 0) > 0;
}

static int run(kept *k, char **argv) {
    sigset_t all;
    sigset_t child;
    int children;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &k->old_mask);
    children = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (children < 0) {
        say("signalfd");
        return 126;
    }
    /* Or a group of which only the dead are left would last until somebody else looks after them. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (is_alone() || begin(k, argv) != 0) {
        return 126;
    }
    /* Who reads what the program says is to hear its end as soon as it comes. */
    close(1);
    watch(k, children);
    if (!has_ended(k)) {
        return 126;
    }
    return WIFSIGNALED(k->wstatus) ? 128 + WTERMSIG(k->wstatus) : WEXITSTATUS(k->wstatus);
}

/* DIR "" is where we are. */
int applet_keeper(int argc, char **argv) {
    kept k = {.pid = -1};

    if (argc < 3) {
        fputs("usage: csb-guest keeper host|terminal DIR PROGRAM [ARGUMENT]...\n", stderr);
        return 2;
    }
    k.terminal = strcmp(argv[0], "terminal") == 0;
    if (*argv[1] && chdir(argv[1]) != 0) {
        say(argv[1]);
        return 126;
    }
    return run(&k, argv + 2);
}
