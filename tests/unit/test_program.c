/* SPDX-License-Identifier: MIT */
/*
 * Programs in a guest, from csb_vm_spawn() to their end. The guest is this machine: an "ssh" on PATH runs
 * what it is told in a session of its own, as sshd does, and when it is killed what it ran goes on
 * with closed pipes, as behind sshd. Some tests are for both ways of keeping a program: by a session of
 * its own, and by csb-guest in the program's.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <claudesandbox/exec.h>
#include <claudesandbox/version.h>

#include "core/child.h"
#include "core/posix.h"
#include "fake_vm.h"
#include "guest/program.h"

static const char ssh[] = "#!/bin/sh\n"
                          "for last; do [ \"$before\" != -E ] || log=$last; before=$last; done\n"
                          "case \" $* \" in *' -fN '*|*' -O '*) exit 0 ;; esac\n"
                          "here=$(dirname \"$0\"); echo $$ >>\"$here/clients\"\n"
                          "if [ -e \"$here/refuse\" ]; then\n"
                          "    if [ \"$log\" ]; then exec 2>\"$log\"; fi; echo 'Session open "
                          "refused by peer' >&2; exit 255\n"
                          "fi\n"
                          "setsid sh -c \"$last\"; status=$?\n"
                          /* Where a signal ended the shell itself, ssh has no status to tell. */
                          "[ $status != 137 ] || status=255\n"
                          "exit $status\n";

#ifdef CSB_GUEST_PROGRAM
#define WAYS 2
#else
#define CSB_GUEST_PROGRAM ""
#define WAYS 1
#endif

struct fixture {
    struct fake_vm vm;
    char *dir;
    char *old_path;
    int master; /* where there is csb-guest, and so a note of it */
};

static void fixture_make(struct fixture *f) {
    CSB__AUTOFREE char *program = NULL;
    CSB__AUTOFREE char *path = NULL;

    f->master = -1;
    fake_vm_make(&f->vm, NULL, 0);
    f->vm.ctx.env.runner = NULL;
    fake_vm_run(&f->vm);
    f->dir = test_dir();
    program = test_join(f->dir, "ssh");
    test_write(program, ssh, 0755);
    f->old_path = strdup(getenv("PATH"));
    ck_assert_int_ge(asprintf(&path, "%s:%s", f->dir, f->old_path), 0);
    setenv("PATH", path, 1);
}

static int be_master(const char *path) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(addr.sun_path, path);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(listen(fd, 4096), 0);
    return fd;
}

/* In one of the two ways; the second is for programs without stdin. */
static void fixture_make_way(struct fixture *f, int way) {
    CSB__AUTOFREE char *note = NULL;

    fixture_make(f);
    if (way == 1) {
        f->master = be_master(f->vm.control);
        ck_assert_int_ge(asprintf(&note, "%s.ready", f->vm.control), 0);
        test_write(note, CSB_VERSION_STRING " of some connection\n\n" CSB_GUEST_PROGRAM "\n", 0600);
    }
}

static void fixture_finish(struct fixture *f) {
    csb__fd_close(&f->master);
    setenv("PATH", f->old_path, 1);
    free(f->old_path);
    free(f->dir);
    fake_vm_finish(&f->vm);
}

#define AUTOFIXTURE CSB__CLEANUP(fixture_finish) struct fixture
#define AUTOPROCESS CSB__CLEANUP(process_free) csb_process

static void process_free(csb_process **p) {
    csb_process_free(*p);
}

static csb_exec_options shell(const char *const *argv) {
    csb_exec_options o = CSB_EXEC_OPTIONS_INIT;

    o.argv = argv;
    o.stdin_fd = o.stdout_fd = o.stderr_fd = CSB_EXEC_NULL;
    return o;
}

/* Runs sh -c on it with pipes for all three, or for two. */
static csb_process *spawn_with(struct fixture *f, const char *script, int stdin_fd) {
    const char *const argv[] = {"sh", "-c", script, "sh", f->dir, NULL};
    csb_exec_options o = shell(argv);
    CSB__AUTOERROR csb_error *e = NULL;
    csb_process *p = NULL;

    o.stdin_fd = stdin_fd;
    o.stdout_fd = o.stderr_fd = CSB_EXEC_PIPE;
    ck_assert_msg(csb_vm_spawn(&f->vm.vm, &o, &p, &e) == 0, "%s: %s", csb_error_message(e),
                  csb_error_detail(e));
    return p;
}

static csb_process *spawn(struct fixture *f, const char *script) {
    return spawn_with(f, script, CSB_EXEC_PIPE);
}

static csb_process *spawn_deaf(struct fixture *f, const char *script) {
    return spawn_with(f, script, CSB_EXEC_NULL);
}

/* Reads a whole line of the program's output. */
static void expect(csb_process *p, const char *line) {
    size_t n = strlen(line);
    char buf[64] = "";

    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(read(csb_process_fd(p, 1), buf + i, 1), 1);
    }
    ck_assert_str_eq(buf, line);
}

static int ended(csb_process *p) {
    CSB__AUTOERROR csb_error *e = NULL;
    csb_exit done = {-1};

    ck_assert_msg(csb_process_wait(p, 20000, &done, &e) == 0, "%s", csb_error_message(e));
    return done.status;
}

static int free_it(void *process) {
    csb_process_free(process);
    return 0;
}

START_TEST(a_forked_child_ends_no_program) {
    AUTOFIXTURE f;
    AUTOPROCESS *p = NULL;

    fixture_make(&f);
    p = spawn(&f, "echo begun; read -r x; echo \"$x\"; exit 7");
    expect(p, "begun\n");
    ck_assert_int_eq(test_join_child(test_fork(free_it, p)), 0);
    ck_assert_int_eq(write(csb_process_fd(p, 0), "on\n", 3), 3);
    expect(p, "on\n");
    ck_assert_int_eq(ended(p), 7);
}
END_TEST

START_TEST(three_streams_and_a_status) {
    AUTOFIXTURE f;
    CSB__AUTOSTRBUF out = CSB__STRBUF_INIT;
    AUTOPROCESS *p = NULL;
    char buf[64];
    ssize_t n;

    fixture_make(&f);
    p = spawn(&f, "read -r x; echo \"out $x\"; echo \"err $x\" >&2; cat; exit 9");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_gt(csb_process_fd(p, i), 2);
        ck_assert_int_eq(fcntl(csb_process_fd(p, i), F_GETFD), FD_CLOEXEC);
        ck_assert_int_eq(fcntl(csb_process_fd(p, i), F_GETFL) & O_NONBLOCK, 0);
    }
    ck_assert_int_eq(csb_process_fd(p, 4), -1);
    ck_assert_int_eq(csb_process_fd(p, -1), -1);
    ck_assert_int_eq(write(csb_process_fd(p, 0), "a\nb", 3), 3);
    expect(p, "out a\n");
    csb_process_close(p, 0);
    csb_process_close(p, 0);
    csb_process_close(p, 3);
    csb_process_close(p, -1);
    ck_assert_int_eq(csb_process_fd(p, 0), -1);
    while ((n = read(csb_process_fd(p, 1), buf, sizeof(buf))) > 0) {
        csb__strbuf_add(&out, buf, (size_t)n);
    }
    ck_assert_str_eq(csb__strbuf_text(&out), "b");
    ck_assert_int_eq(read(csb_process_fd(p, 2), buf, sizeof(buf)), 6);
    ck_assert_int_eq(strncmp(buf, "err a\n", 6), 0);
    ck_assert_int_eq(ended(p), 9);
    /* As often as one likes. */
    ck_assert_int_eq(ended(p), 9);
    ck_assert_int_eq(csb_process_kill(p, SIGTERM, NULL), 0);
}
END_TEST

START_TEST(words_and_variables_pass_unchanged) {
    static const char odd[] = "\x01\x7f\x80\xff '\"\\$`\n\t*?[~ -n";
    const char *const argv[] = {"printf", "%s|", "-n", "", odd, "--", NULL};
    const char *const show[] = {"sh", "-c", "printf %s \"$ODD\"", NULL};
    char *variable = NULL;
    AUTOFIXTURE f;
    csb_exec_options o = shell(argv);

    fixture_make_way(&f, _i);
    ck_assert_int_ge(asprintf(&variable, "ODD=%s", odd), 0);
    for (int i = 0; i < 2; i++) {
        const char *const env[] = {variable, "EMPTY=", NULL};
        AUTOPROCESS *p = NULL;
        char buf[128] = "";

        o.argv = i ? show : argv;
        o.env = i ? env : NULL;
        o.stdout_fd = CSB_EXEC_PIPE;
        ck_assert_int_eq(csb_vm_spawn(&f.vm.vm, &o, &p, NULL), 0);
        ck_assert_int_eq(csb_process_fd(p, 0), -1);
        ck_assert_int_eq(csb_process_fd(p, 2), -1);
        ck_assert_int_eq(ended(p), 0);
        ck_assert_int_gt(read(csb_process_fd(p, 1), buf, sizeof(buf) - 1), 0);
        if (i) {
            ck_assert_str_eq(buf, odd);
        } else {
            ck_assert_int_eq(strncmp(buf, "-n||", 4), 0);
            ck_assert_int_eq(strncmp(buf + 4, odd, strlen(odd)), 0);
            ck_assert_str_eq(buf + 4 + strlen(odd), "|--|");
        }
    }
    free(variable);
}
END_TEST

/* An environment that is larger than a pipe. */
START_TEST(a_large_environment) {
    enum { SIZE = 100000 };
    const char *const argv[] = {"sh", "-c", "printf %s \"${#BIG}\"", NULL};
    AUTOFIXTURE f;
    csb_exec_options o = shell(argv);
    AUTOPROCESS *p = NULL;
    CSB__AUTOFREE char *big = calloc(1, SIZE + 5);
    const char *env[] = {big, NULL};
    char buf[16] = "";

    fixture_make(&f);
    memset(big, 'x', SIZE + 4);
    memcpy(big, "BIG=", 4);
    o.env = env;
    o.stdout_fd = CSB_EXEC_PIPE;
    ck_assert_int_eq(csb_vm_spawn(&f.vm.vm, &o, &p, NULL), 0);
    ck_assert_int_eq(ended(p), 0);
    ck_assert_int_gt(read(csb_process_fd(p, 1), buf, sizeof(buf) - 1), 0);
    ck_assert_str_eq(buf, "100000");
}
END_TEST

/* Megabytes both ways at once, by a loop such as a user would write. */
START_TEST(a_loop_over_all_of_them) {
    enum { SIZE = 3000000 };
    AUTOFIXTURE f;
    AUTOPROCESS *p = NULL;
    CSB__AUTOFREE char *bytes = calloc(1, SIZE);
    size_t sent = 0;
    size_t got[2] = {0, 0};
    bool over = false;

    fixture_make(&f);
    p = spawn(&f, "cat; head -c 3000000 /dev/zero >&2");
    for (int i = 0; i < 3; i++) {
        fcntl(csb_process_fd(p, i), F_SETFL, O_NONBLOCK);
    }
    while (!over || csb_process_fd(p, 1) >= 0 || csb_process_fd(p, 2) >= 0) {
        struct pollfd fds[4] = {
            {.fd = csb_process_fd(p, 0), .events = POLLOUT},
            {.fd = csb_process_fd(p, 1), .events = POLLIN},
            {.fd = csb_process_fd(p, 2), .events = POLLIN},
            {.fd = over ? -1 : csb_process_fd(p, CSB_PROCESS_END), .events = POLLIN},
        };
        char buf[16384];

        ck_assert_int_gt(poll(fds, 4, 20000), 0);
        if (fds[0].revents) {
            ssize_t n = write(fds[0].fd, bytes + sent, SIZE - sent);

            sent += n > 0 ? (size_t)n : 0;
            if (sent == SIZE) {
                csb_process_close(p, 0);
            }
        }
        for (int i = 1; i < 3; i++) {
            ssize_t n = fds[i].revents ? read(fds[i].fd, buf, sizeof(buf)) : -1;

            got[i - 1] += n > 0 ? (size_t)n : 0;
            if (n == 0) {
                csb_process_close(p, i);
            }
        }
        over |= fds[3].revents != 0;
    }
    ck_assert_uint_eq(got[0], SIZE);
    ck_assert_uint_eq(got[1], SIZE);
    ck_assert_int_eq(ended(p), 0);
}
END_TEST

START_TEST(patience_ends_before_the_program) {
    AUTOFIXTURE f;
    AUTOPROCESS *p = NULL;
    CSB__AUTOERROR csb_error *e = NULL;
    csb_exit done = {-7};

    fixture_make(&f);
    p = spawn(&f, "echo up; read -r x; exit 4");
    expect(p, "up\n");
    ck_assert_int_eq(csb_process_wait(p, 0, &done, NULL), CSB_ETIMEOUT);
    ck_assert_int_eq(csb_process_wait(p, 1, &done, &e), CSB_ETIMEOUT);
    ck_assert_int_eq(done.status, -7);
    csb_ctx_cancel(&f.vm.ctx);
    ck_assert_int_eq(csb_process_wait(p, -1, &done, NULL), CSB_ECANCELED);
    /* It was of no consequence, neither of them. */
    ck_assert_int_eq(write(csb_process_fd(p, 0), "\n", 1), 1);
    ck_assert_int_eq(ended(p), 4);
}
END_TEST

static const struct {
    int signo;
    const char *script;
    int status;
} signals[] = {
    {SIGTERM, "echo up; sleep 1000", 143},
    {SIGINT, "trap 'exit 3' INT; echo up; while :; do sleep 0.05; done", 3},
    {SIGHUP, "echo up; sleep 1000", 129},
    {SIGUSR1, "trap 'exit 6' USR1; echo up; while :; do sleep 0.05; done", 6},
    {SIGKILL, "trap '' TERM HUP INT; echo up; sleep 1000", 137},
};

START_TEST(a_signal_reaches_the_group) {
    AUTOFIXTURE f;
    AUTOPROCESS *p = NULL;

    fixture_make_way(&f, _i % WAYS);
    p = spawn_deaf(&f, signals[_i / WAYS].script);
    expect(p, "up\n");
    ck_assert_int_eq(csb_process_kill(p, 0, NULL), CSB_EINVAL);
    ck_assert_int_eq(csb_process_kill(p, SIGSEGV, NULL), CSB_EINVAL);
    ck_assert_int_eq(csb_process_kill(p, signals[_i / WAYS].signo, NULL), 0);
    ck_assert_int_eq(ended(p), signals[_i / WAYS].status);
}
END_TEST

/* Before it has begun, as it were. */
START_TEST(a_signal_that_comes_early_waits) {
    AUTOFIXTURE f;
    AUTOPROCESS *p = NULL;

    fixture_make_way(&f, _i);
    p = spawn_deaf(&f, "sleep 1000");
    ck_assert_int_eq(csb_process_kill(p, SIGTERM, NULL), 0);
    ck_assert_int_ge(ended(p), 129);
}
END_TEST

/* The pid of what runs in the guest: the program says it first. */
static pid_t told_pid(csb_process *p) {
    char buf[32] = "";

    for (size_t i = 0; i + 1 < sizeof(buf) && (i == 0 || buf[i - 1] != '\n'); i++) {
        ck_assert_int_eq(read(csb_process_fd(p, 1), buf + i, 1), 1);
    }
    ck_assert_int_gt(atol(buf), 1);
    return (pid_t)atol(buf);
}

START_TEST(freeing_ends_it) {
    AUTOFIXTURE f;
    csb_process *p;
    pid_t pid;
    uint64_t start;

    fixture_make_way(&f, _i);
    p = spawn_deaf(&f, "sleep 1000 & echo $!; wait");
    pid = told_pid(p);
    csb_process_free(p);
    ck_assert_int_ne(csb__process_start_time(pid, &start), 0);
    csb_process_free(NULL);
}
END_TEST

/* One that has filled its pipe, and can't be told to stop by what it reads. */
START_TEST(freeing_does_not_wait_for_readers) {
    AUTOFIXTURE f;
    csb_process *p;
    pid_t pid;
    uint64_t start;

    fixture_make_way(&f, _i);
    p = spawn_deaf(&f, "echo $$; exec cat /dev/zero");
    pid = told_pid(p);
    csb_process_free(p);
    ck_assert_int_ne(csb__process_start_time(pid, &start), 0);
}
END_TEST

START_TEST(its_vms_handle_may_go_first) {
    AUTOFIXTURE f;
    csb_vm *vm = NULL;
    const char *const argv[] = {"sh", "-c", "read -r x; exit 5", NULL};
    csb_exec_options o = shell(argv);
    csb_process *p = NULL;

    fixture_make(&f);
    vm = calloc(1, sizeof(*vm));
    *vm = f.vm.vm;
    o.stdin_fd = CSB_EXEC_PIPE;
    ck_assert_int_eq(csb_vm_spawn(vm, &o, &p, NULL), 0);
    memset(vm, 0xff, sizeof(*vm));
    free(vm);
    csb_process_close(p, 0);
    ck_assert_int_eq(ended(p), 5);
    csb_process_free(p);
}
END_TEST

START_TEST(what_is_refused) {
    static const char *const argv[] = {"true", NULL};
    AUTOFIXTURE f;
    csb_exec_options o = shell(argv);
    csb_process *p = NULL;

    fixture_make(&f);
    ck_assert_int_eq(csb_vm_spawn(&f.vm.vm, NULL, &p, NULL), CSB_EINVAL);
    o.timeout_ms = 1;
    ck_assert_int_eq(csb_vm_spawn(&f.vm.vm, &o, &p, NULL), CSB_EINVAL);
    o.timeout_ms = 0;
    o.stdout_fd = -3;
    ck_assert_int_eq(csb_vm_spawn(&f.vm.vm, &o, &p, NULL), CSB_EINVAL);
    o.stdout_fd = CSB_EXEC_PIPE;
    f.vm.vm.machine.state = CSB_VM_STOPPED;
    fake_state = CSB_VM_STOPPED;
    ck_assert_int_eq(csb_vm_spawn(&f.vm.vm, &o, &p, NULL), CSB_ESTATE);
    ck_assert_ptr_null(p);
}
END_TEST

static int count_fds(void) {
    return test_count_entries("/proc/self/fd");
}

static bool no_children(void *arg) {
    (void)arg;
    return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

START_TEST(nothing_leaks) {
    AUTOFIXTURE f;
    CSB__AUTOFREE char *logs = NULL;
    int before;

    fixture_make_way(&f, _i);
    before = count_fds();
    for (int i = 0; i < 200; i++) {
        csb_process *p = spawn_deaf(&f, i % 4 == 0 ? "sleep 1000" : "exit 3");

        if (i % 4 == 1) {
            ck_assert_int_eq(ended(p), 3);
        }
        csb_process_free(p);
    }
    ck_assert_int_eq(count_fds(), before);
    ck_assert(no_children(NULL));
    logs = test_join(f.vm.ctx.env.state_dir, "run");
    ck_assert_int_eq(test_count_entries(logs), 0);
}
END_TEST

START_TEST(a_guest_that_takes_none) {
    static const char *const argv[] = {"true", NULL};
    AUTOFIXTURE f;
    csb_exec_options o = shell(argv);
    CSB__AUTOFREE char *refuse = NULL;
    CSB__AUTOERROR csb_error *e = NULL;
    csb_process *p = NULL;
    int before;

    fixture_make(&f);
    refuse = test_join(f.dir, "refuse");
    test_write(refuse, "", 0600);
    before = count_fds();
    ck_assert_int_eq(csb_vm_spawn(&f.vm.vm, &o, &p, &e), CSB_EENGINE);
    test_check_error(e, CSB_EENGINE, "Session open refused by peer");
    ck_assert_ptr_null(p);
    ck_assert_int_eq(count_fds(), before);
    ck_assert(no_children(NULL));
}
END_TEST

/* The pid of the ssh that was started last: the program's. */
static pid_t last_client(const struct fixture *f) {
    CSB__AUTOFREE char *path = test_join(f->dir, "clients");
    CSB__AUTOFREE char *text = test_read(path);
    const char *line;

    ck_assert_ptr_nonnull(text);
    text[strlen(text) - 1] = '\0';
    line = strrchr(text, '\n');
    return (pid_t)atol(line ? line + 1 : text);
}

START_TEST(a_connection_that_breaks) {
    AUTOFIXTURE f;
    AUTOPROCESS *p = NULL;
    CSB__AUTOERROR csb_error *e = NULL;
    csb_exit done = {-7};
    pid_t pid;

    fixture_make_way(&f, _i);
    p = spawn_deaf(&f, "sleep 1000 & echo $!; wait");
    pid = told_pid(p);
    ck_assert_int_eq(kill(last_client(&f), SIGKILL), 0);
    ck_assert_int_eq(csb_process_wait(p, 20000, &done, &e), CSB_EENGINE);
    ck_assert_int_eq(csb_process_wait(p, 20000, &done, NULL), CSB_EENGINE);
    ck_assert_int_eq(done.status, -7);
    ck_assert(test_wait_gone(pid));
}
END_TEST

struct doomed {
    struct fixture *f;
    int fd;
    bool exec;
};

/* A host program that is going to be killed. */
static int be_doomed(void *arg) {
    const struct doomed *d = arg;
    const char *const argv[] = {"sh", "-c", "sleep 1000 & echo $!; wait", NULL};
    csb_exec_options o = shell(argv);
    csb_process *p = NULL;
    csb_exit done;

    o.stdout_fd = d->fd;
    if (d->exec) {
        return csb_vm_exec(&d->f->vm.vm, &o, &done, NULL);
    }
    if (csb_vm_spawn(&d->f->vm.vm, &o, &p, NULL) == 0) {
        pause();
    }
    return 1;
}

/* What it runs in the guest reads from /dev/null and writes to what others hold too. */
START_TEST(no_orphan_outlives_its_host) {
    AUTOFIXTURE f;
    struct doomed d = {.f = &f, .exec = _i / WAYS};
    char buf[32] = "";
    int fds[2];
    pid_t host;

    fixture_make_way(&f, _i % WAYS);
    ck_assert_int_eq(csb__pipe(fds), 0);
    d.fd = fds[1];
    host = test_fork(be_doomed, &d);
    ck_assert_int_gt(read(fds[0], buf, sizeof(buf) - 1), 0);
    ck_assert_int_gt(atol(buf), 1);
    ck_assert_int_eq(kill(host, SIGKILL), 0);
    ck_assert_int_eq(test_join_child(host), 128 + SIGKILL);
    ck_assert(test_wait_gone((pid_t)atol(buf)));
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static void *cancel_soon(void *arg) {
    csb__sleep_ms(20);
    csb_ctx_cancel(arg);
    return NULL;
}

/* Whatever moment it hits; nothing of it is left in any case. */
START_TEST(exec_ends_what_it_does_not_wait_for) {
    AUTOFIXTURE f;
    CSB__AUTOFREE char *path = NULL;
    const char *argv[] = {"sh", "-c", "sleep 1000 & echo $! >\"$1\"; wait", "sh", NULL, NULL};
    csb_exec_options o = shell(argv);
    csb_exit done = {-7};
    CSB__AUTOFREE char *text = NULL;
    pthread_t thread;

    fixture_make_way(&f, _i % WAYS);
    path = test_join(f.dir, "pid");
    argv[4] = path;
    if (_i / WAYS == 0) {
        o.timeout_ms = 500;
        ck_assert_int_eq(csb_vm_exec(&f.vm.vm, &o, &done, NULL), CSB_ETIMEOUT);
    } else {
        ck_assert_int_eq(pthread_create(&thread, NULL, cancel_soon, &f.vm.ctx), 0);
        ck_assert_int_eq(csb_vm_exec(&f.vm.vm, &o, &done, NULL), CSB_ECANCELED);
        pthread_join(thread, NULL);
    }
    ck_assert_int_eq(done.status, -7);
    text = test_read(path);
    if (text && atol(text) > 1) {
        uint64_t start;

        ck_assert_int_ne(csb__process_start_time((pid_t)atol(text), &start), 0);
    }
    ck_assert(no_children(NULL));
}
END_TEST

#if WAYS == 2
static int run_kept(struct fixture *f, const char *const *argv, const char *cwd) {
    csb_exec_options o = shell(argv);
    CSB__AUTOERROR csb_error *e = NULL;
    csb_exit done = {-1};

    o.cwd = cwd;
    ck_assert_msg(csb_vm_exec(&f->vm.vm, &o, &done, &e) == 0, "%s", csb_error_message(e));
    return done.status;
}

START_TEST(it_begins_as_asked) {
    AUTOFIXTURE f;
    CSB__AUTOFREE char *odd = NULL;
    CSB__AUTOFREE char *text = NULL;
    CSB__AUTOFREE char *plain = NULL;
    /* In a group that it does not lead, without input, and with no signal blocked that was not. */
    const char *const argv[] = {"sh", "-c",
                                "[ $(ps -o pgid= -p $$) != $$ ] && ! read -r x && "
                                "grep -q 'SigBlk:.0*$' /proc/self/status && pwd >out",
                                NULL};
    const char *const none[] = {"./no-such-program", NULL};
    const char *const denied[] = {"/etc/passwd", NULL};
    const char *const script[] = {"./plain", "x y", NULL};
    const char *const own[] = {"sh", "-c", "exit 255", NULL};
    const char *const session[] = {"setsid", "sh", "-c", "exit 5", NULL};

    fixture_make_way(&f, 1);
    odd = test_join(f.dir, "-a 'b' $(c)\n");
    ck_assert_int_eq(mkdir(odd, 0700), 0);
    ck_assert_int_eq(run_kept(&f, argv, odd), 0);
    plain = test_join(odd, "out");
    text = test_read(plain);
    ck_assert_int_eq(strncmp(text, odd, strlen(odd)), 0);
    ck_assert_int_eq(run_kept(&f, none, "/"), 127);
    ck_assert_int_eq(run_kept(&f, denied, "/"), 126);
    ck_assert_int_eq(run_kept(&f, own, "/no/such/place"), 126);
    ck_assert_int_eq(run_kept(&f, own, "/"), 255);
    ck_assert_int_eq(run_kept(&f, session, "/"), 5);
    /* As a shell does, for one that says nothing of its interpreter. */
    free(plain);
    plain = test_join(odd, "plain");
    test_write(plain, "[ \"$1\" = 'x y' ] && exit 12\n", 0700);
    ck_assert_int_eq(run_kept(&f, script, odd), 12);
}
END_TEST

/* Whatever shell it is: one that goes, and one that stays. */
START_TEST(a_login_shell_is_not_in_the_way) {
    static const char *const shells[] = {"/bin/sh", "/bin/bash"};
    const char *const argv[] = {"sh", "-c",
                                "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done", NULL};
    const char *const builtin[] = {"type", "cd", NULL};
    AUTOFIXTURE f;
    AUTOPROCESS *p = NULL;
    csb_exec_options o = shell(argv);
    csb_exit done = {-1};

    fixture_make_way(&f, 1);
    setenv("SHELL", shells[_i], 1);
    o.flags = CSB_EXEC_LOGIN;
    o.cwd = "/";
    o.stdout_fd = CSB_EXEC_PIPE;
    ck_assert_int_eq(csb_vm_spawn(&f.vm.vm, &o, &p, NULL), 0);
    expect(p, "up\n");
    ck_assert_int_eq(csb_process_kill(p, SIGTERM, NULL), 0);
    ck_assert_int_eq(ended(p), 3);
    o.argv = builtin;
    o.stdout_fd = CSB_EXEC_NULL;
    ck_assert_int_eq(csb_vm_exec(&f.vm.vm, &o, &done, NULL), 0);
    ck_assert_int_eq(done.status, 0);
}
END_TEST

/* As sshd starts it on a terminal. */
static int be_on_terminal(void *arg) {
    char *const *words = arg;
    int fd;

    setsid();
    fd = open(words[0], O_RDWR);
    if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) != 0 || dup2(fd, 0) < 0 || dup2(fd, 1) < 0 ||
        dup2(fd, 2) < 0) {
        return 1;
    }
    close(fd);
    execl(CSB_GUEST_PROGRAM, "csb-guest", "keeper", "terminal", "", "sh", "-c", words[1], "sh",
          words[2], NULL);
    return 1;
}

static bool is_there(void *path) {
    return test_exists(path);
}

/* Its shell is gone at once, but what that has begun has the time that it was promised. */
START_TEST(a_terminal_hangs_up) {
    static char polite[] = "sh -c 'trap \"sleep 1; echo >$1; exit\" HUP; echo up; "
                           "while :; do sleep 0.05; done' sh \"$1\"; true";
    static char stubborn[] = "sh -c 'trap \"\" HUP TERM; echo $$ >\"$1\"; echo up; "
                             "while :; do sleep 0.05; done' sh \"$1\"; true";
    CSB__AUTOFREE char *dir = test_dir();
    CSB__AUTOFREE char *file = test_join(dir, "file");
    CSB__AUTOFREE char *text = NULL;
    char *words[] = {NULL, _i ? stubborn : polite, file};
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char buf[8] = "";
    pid_t keeper;

    ck_assert(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    words[0] = ptsname(terminal);
    keeper = test_fork(be_on_terminal, words);
    ck_assert_int_gt(read(terminal, buf, sizeof(buf) - 1), 0);
    ck_assert_ptr_nonnull(strstr(buf, "up"));
    close(terminal);
    if (_i) {
        text = test_read(file);
        ck_assert(test_wait_gone((pid_t)atol(text)));
    } else {
        ck_assert(test_wait(is_there, file));
    }
    ck_assert_int_eq(test_join_child(keeper), 128 + SIGKILL);
}
END_TEST

/* The master is gone with all that it carried; what the client returns then is no status. */
START_TEST(a_status_of_a_lost_connection) {
    AUTOFIXTURE f;
    AUTOPROCESS *p = NULL;
    CSB__AUTOERROR csb_error *e = NULL;
    csb_exit done = {-7};

    fixture_make_way(&f, 1);
    p = spawn_deaf(&f, "exit 255");
    csb__fd_close(&f.master);
    ck_assert_int_eq(csb_process_wait(p, 20000, &done, &e), CSB_EENGINE);
    test_check_error(e, CSB_EENGINE, "the connection to the VM broke");
    ck_assert_int_eq(done.status, -7);
}
END_TEST
#endif

/* Of a program whose ssh, and only that, ends as told. */
static int run_fake(struct fake_vm *f, bool tty, int *status, csb_error **err) {
    struct csb__program_options o = {
        .script = "script", .token = "0123456789abcdef", .stdio = {10, 11, 12}, .tty = tty};
    struct csb__door door = {(char *)"/ssh.config", (char *)"box", NULL};
    struct csb__program p;
    int rc = csb__program_start(&f->ctx.env, &door, &o, &p, err);

    if (rc == 0) {
        rc = csb__program_wait(&f->ctx.env, &p, -1, status, err);
        csb__program_finish(&p);
    }
    return rc;
}

static int count_logs(const struct fake_vm *f) {
    CSB__AUTOFREE char *dir = test_join(f->ctx.env.state_dir, "run");

    return test_count_entries(dir);
}

START_TEST(a_program_gets_our_streams) {
    static const struct test_answer answers[] = {{.status = 0}, {.status = 3}};
    AUTOVM f;
    const struct test_call *calls = f.runner.calls;
    int status = -1;

    fake_vm_make(&f, answers, 2);
    ck_assert_int_eq(run_fake(&f, false, &status, NULL), 0);
    ck_assert_int_eq(status, 3);
    for (int i = 0; i < 2; i++) {
        ck_assert(test_has_words(&calls[i].argv, "ssh", "-F", "/ssh.config", "-o", "LogLevel=ERROR",
                                 "-o", "BatchMode=yes", "-o", "ControlMaster=no", NULL));
        ck_assert(test_has_words(&calls[i].argv, "-T", "-e", "none", "box", "--", NULL));
    }
    ck_assert(test_has_words(&calls[1].argv, "box", "--", "script", NULL));
    ck_assert(calls[1].stdin_fd == 10 && calls[1].stdout_fd == 11 && calls[1].stderr_fd == 12);
    ck_assert_uint_eq(calls[1].flags, 0);
    ck_assert_int_eq(run_fake(&f, true, &status, NULL), 0);
    ck_assert(test_has_words(&calls[3].argv, "-tt", "box", "--", "script", NULL));
    ck_assert_int_eq(count_logs(&f), 0);
}
END_TEST

/* As ssh writes into its log. */
static void write_log(const struct csb__run *run, void *data) {
    (void)data;
    for (size_t i = 0; run->argv[i]; i++) {
        if (strcmp(run->argv[i], "-E") == 0) {
            test_write(run->argv[i + 1], "debug\nConnection to box closed by remote host.\r\n",
                       0600);
        }
    }
}

START_TEST(two_meanings_of_255) {
    static const struct test_answer answers[] = {
        {.status = 0}, {.status = 255},
        {.status = 0}, {.status = 255, .hook = write_log},
        {.status = 0}, {.status = 1, .hook = write_log},
        {.status = 0}, {.signo = SIGKILL},
        {.status = 0}, {.rc = CSB_ENOMEM, .hook = write_log},
    };
    AUTOVM f;
    CSB__AUTOERROR csb_error *broke = NULL;
    CSB__AUTOERROR csb_error *killed = NULL;
    int status = -1;

    fake_vm_make(&f, answers, 10);
    /* The program's own. */
    ck_assert_int_eq(run_fake(&f, false, &status, NULL), 0);
    ck_assert_int_eq(status, 255);
    /* ssh's. */
    status = -1;
    ck_assert_int_eq(run_fake(&f, false, &status, &broke), CSB_EENGINE);
    test_check_error(broke, CSB_EENGINE,
                     "the connection to the VM broke: Connection to box closed "
                     "by remote host.");
    ck_assert_int_eq(status, -1);
    /* What ssh has to say beside is no failure. */
    ck_assert_int_eq(run_fake(&f, false, &status, NULL), 0);
    ck_assert_int_eq(status, 1);
    ck_assert_int_eq(run_fake(&f, false, &status, &killed), CSB_EENGINE);
    test_check_error(killed, CSB_EENGINE, "signal 9");
    ck_assert_int_eq(run_fake(&f, false, &status, NULL), CSB_ENOMEM);
    /* Logs don't pile up, however it ended. */
    ck_assert_int_eq(count_logs(&f), 0);
}
END_TEST

Suite *program_suite(void);
Suite *program_suite(void) {
    Suite *s = suite_create("program");
    TCase *tc = test_case(s, "program");

    tcase_add_test(tc, three_streams_and_a_status);
    tcase_add_test(tc, a_forked_child_ends_no_program);
    tcase_add_loop_test(tc, words_and_variables_pass_unchanged, 0, WAYS);
    tcase_add_test(tc, a_large_environment);
    tcase_add_test(tc, a_loop_over_all_of_them);
    tcase_add_test(tc, patience_ends_before_the_program);
    tcase_add_loop_test(tc, a_signal_reaches_the_group, 0,
                        WAYS * (int)(sizeof(signals) / sizeof(signals[0])));
    tcase_add_loop_test(tc, a_signal_that_comes_early_waits, 0, WAYS);
    tcase_add_loop_test(tc, freeing_ends_it, 0, WAYS);
    tcase_add_loop_test(tc, freeing_does_not_wait_for_readers, 0, WAYS);
    tcase_add_test(tc, its_vms_handle_may_go_first);
    tcase_add_test(tc, what_is_refused);
    tcase_add_loop_test(tc, nothing_leaks, 0, WAYS);
    tcase_add_test(tc, a_guest_that_takes_none);
    tcase_add_loop_test(tc, a_connection_that_breaks, 0, WAYS);
    tcase_add_loop_test(tc, no_orphan_outlives_its_host, 0, 2 * WAYS);
    tcase_add_loop_test(tc, exec_ends_what_it_does_not_wait_for, 0, 2 * WAYS);
    tcase_add_test(tc, a_program_gets_our_streams);
    tcase_add_test(tc, two_meanings_of_255);
#if WAYS == 2
    tcase_add_test(tc, it_begins_as_asked);
    tcase_add_test(tc, a_status_of_a_lost_connection);
    tcase_add_loop_test(tc, a_login_shell_is_not_in_the_way, 0, 2);
    tcase_add_loop_test(tc, a_terminal_hangs_up, 0, 2);
#endif
    return s;
}
