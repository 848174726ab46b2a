/* SPDX-License-Identifier: MIT */
/*
 * Two contexts in two threads, each with machines of its own, while this thread cancels now and then: for
 * a build with -Db_sanitize=thread, which finds what they share. By the public headers alone, over the
 * pretended engine.
 *
 *     threads DIRECTORY-OF-THE-FAKES
 */
#include <claudesandbox.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SKIPPED 77
#define LIVES 2
#define CANCELS 12

static const char template_text[] =
    "{\"images\": [{\"location\": \"fake:image\"}], \"mounts\": [{\"location\": \"~\"}]}\n";
/* Scripts come to a pretended guest on standard input, where the fake ssh does not look. */
static const char cat_text[] =
    "#!/bin/sh\n[ \"$*\" != /proc/self/mountinfo ] || set -- \"$CSB_FAKE_MOUNTINFO\"\n"
    "exec /bin/cat \"$@\"\n";

struct life {
    pthread_t thread;
    csb_ctx *ctx;
    char dir[64];
    atomic_int calm; /* nobody cancels */
    atomic_int over;
};

static char root[] = "/tmp/csb-thr.XXXXXX";

static void die(const char *what, const csb_error *err) {
    fprintf(stderr, "%s: %s\n%s\n", what, err ? csb_error_message(err) : strerror(errno),
            err ? csb_error_detail(err) : "");
    exit(1);
}

static void check(int rc, csb_error *err, const char *what) {
    if (rc != 0) {
        die(what, err);
    }
}

static void put(const char *dir, const char *name, const char *text, mode_t mode) {
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "we");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0 || chmod(path, mode) != 0) {
        die(path, NULL);
    }
}

static void make_dir(char *out, size_t size, const char *dir, const char *name) {
    snprintf(out, size, "%s/%s", dir, name);
    if (mkdir(out, 0700) != 0) {
        die(out, NULL);
    }
}

static int ignore(const csb_event *event, csb_reply *reply, void *userdata) {
    (void)event;
    (void)reply;
    (void)userdata;
    return 0;
}

/* Reads to the end, by poll(). */
static void use_process(csb_vm *vm, int signo) {
    static const char *const argv[] = {"sh", "-c", "echo up; read -r x; exit 5", NULL};
    csb_exec_options o = CSB_EXEC_OPTIONS_INIT;
    csb_process *p = NULL;
    csb_error *err = NULL;
    csb_exit done = {-1};
    char byte;

    o.argv = argv;
    o.stdin_fd = o.stdout_fd = CSB_EXEC_PIPE;
    o.stderr_fd = CSB_EXEC_NULL;
    check(csb_vm_spawn(vm, &o, &p, &err), err, "spawn");
    do {
        struct pollfd fd = {.fd = csb_process_fd(p, 1), .events = POLLIN};

        poll(&fd, 1, -1);
    } while (read(csb_process_fd(p, 1), &byte, 1) == 1 && byte != '\n');
    if (signo) {
        check(csb_process_kill(p, signo, &err), err, "kill");
    } else {
        csb_process_close(p, 0);
    }
    check(csb_process_wait(p, -1, &done, &err), err, "wait");
    if (done.status != (signo ? 128 + signo : 5)) {
        die("the status is another", NULL);
    }
    csb_process_free(p);
}

/* Whatever happens to be cancelled. */
static void be_cancelled(struct life *l, csb_vm *vm) {
    static const char *const argv[] = {"true", NULL};
    csb_exec_options o = CSB_EXEC_OPTIONS_INIT;

    o.argv = argv;
    atomic_store(&l->calm, 0);
    for (int i = 0; i < CANCELS; i++) {
        csb_error *err = NULL;
        csb_vm_list *list = NULL;
        csb_exit done;
        int rc = i % 2 ? csb_vm_exec(vm, &o, &done, &err) : csb_vm_list_new(l->ctx, &list, &err);

        if (rc != 0 && rc != CSB_ECANCELED) {
            die("not cancelled", err);
        }
        csb_error_free(err);
        csb_vm_list_free(list);
    }
    atomic_store(&l->calm, 1);
    /* The last one may be for a call that is still to come. */
    csb_vm_refresh(vm, NULL);
}

static void live_once(struct life *l, const char *project, const char *template_path) {
    static const char *const argv[] = {"true", NULL};
    csb_vm_options options = CSB_VM_OPTIONS_INIT;
    csb_exec_options exec = CSB_EXEC_OPTIONS_INIT;
    csb_vm *vm = NULL;
    csb_hooks *hooks = NULL;
    csb_error *err = NULL;
    csb_exit done = {-1};

    options.project_dir = project;
    exec.argv = argv;
    check(csb_vm_create(l->ctx, template_path, &options, &vm, &err), err, "create");
    check(csb_hooks_open(l->ctx, NULL, ignore, NULL, &hooks, &err), err, "hooks");
    check(csb_vm_start(vm, &err), err, "start");
    check(csb_vm_exec(vm, &exec, &done, &err), err, "exec");
    use_process(vm, 0);
    use_process(vm, SIGTERM);
    check(csb_hooks_dispatch(hooks, 0, &err), err, "dispatch");
    be_cancelled(l, vm);
    options = (csb_vm_options)CSB_VM_OPTIONS_INIT;
    options.cpus = 1;
    check(csb_vm_configure(vm, &options, NULL, &err), err, "configure");
    check(csb_vm_stop(vm, 0, &err), err, "stop");
    check(csb_vm_rename(vm, "renamed", 0, &err), err, "rename");
    check(csb_vm_delete(vm, 0, &err), err, "delete");
    csb_hooks_close(hooks);
    csb_vm_free(vm);
}

static void *live(void *arg) {
    struct life *l = arg;
    char template_path[128];
    char project[128];

    make_dir(project, sizeof(project), l->dir, "project");
    put(l->dir, "template", template_text, 0600);
    snprintf(template_path, sizeof(template_path), "%s/template", l->dir);
    live_once(l, project, template_path);
    live_once(l, project, template_path);
    atomic_store(&l->over, 1);
    return NULL;
}

static void set_environment(const char *fakes) {
    char guest[96];
    char bin[128];
    char home[128];
    char *path = NULL;

    make_dir(guest, sizeof(guest), root, "guest");
    make_dir(bin, sizeof(bin), guest, "bin");
    make_dir(home, sizeof(home), guest, "home");
    put(bin, "cat", cat_text, 0755);
    if (asprintf(&path, "%s:%s", fakes, getenv("PATH")) < 0) {
        die("PATH", NULL);
    }
    setenv("PATH", path, 1);
    free(path);
    setenv("FAKE_GUEST_ROOT", guest, 1);
    setenv("FAKE_GUEST_PATH", bin, 1);
    setenv("FAKE_LIMACTL_MAX_LIFE", "600", 1);
    setenv("CLAUDE_SANDBOX_ENGINE", "lima", 1);
    setenv("HOME", home, 1);
}

static void start_life(struct life *l, int number) {
    csb_ctx_options options = CSB_CTX_OPTIONS_INIT;
    csb_error *err = NULL;
    char state[96];

    snprintf(l->dir, sizeof(l->dir), "%s/%d", root, number);
    if (mkdir(l->dir, 0700) != 0) {
        die(l->dir, NULL);
    }
    make_dir(state, sizeof(state), l->dir, "s");
    options.state_dir = state;
    atomic_init(&l->calm, 1);
    atomic_init(&l->over, 0);
    check(csb_ctx_new(&options, &l->ctx, &err), err, "ctx");
    if (pthread_create(&l->thread, NULL, live, l) != 0) {
        die("thread", NULL);
    }
}

int main(int argc, char **argv) {
    struct life lives[LIVES];
    int left = LIVES;
    char *remove;

    if (geteuid() == 0) {
        return SKIPPED;
    }
    if (argc != 2 || !mkdtemp(root)) {
        return 2;
    }
    set_environment(argv[1]);
    for (int i = 0; i < LIVES; i++) {
        start_life(&lives[i], i);
    }
    while (left > 0) {
        usleep(30000);
        left = LIVES;
        for (int i = 0; i < LIVES; i++) {
            left -= atomic_load(&lives[i].over);
            if (!atomic_load(&lives[i].calm)) {
                csb_ctx_cancel(lives[i].ctx);
            }
        }
    }
    for (int i = 0; i < LIVES; i++) {
        pthread_join(lives[i].thread, NULL);
        csb_ctx_free(lives[i].ctx);
    }
    if (asprintf(&remove, "rm -rf '%s'", root) < 0) {
        return 1;
    }
    left = system(remove);
    free(remove);
    return left != 0;
}
