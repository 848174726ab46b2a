/* SPDX-License-Identifier: MIT */
#include "operations.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "one"
#define OTHER "two"
#define COPY "copy"

static int with_ctx(int (*fn)(csb_ctx *ctx, csb_error **err), csb_error **err) {
    csb_ctx *ctx = NULL;
    int rc = csb_ctx_new(NULL, &ctx, err);

    if (rc == 0) {
        rc = fn(ctx, err);
        csb_ctx_free(ctx);
    }
    return rc;
}

static int with_vm(const char *name, int (*fn)(csb_vm *vm, csb_error **err), csb_error **err) {
    csb_ctx *ctx = NULL;
    csb_vm *vm = NULL;
    int rc = csb_ctx_new(NULL, &ctx, err);

    if (rc == 0) {
        rc = csb_vm_open(ctx, name, &vm, err);
    }
    if (rc == 0) {
        rc = fn(vm, err);
    }
    csb_vm_free(vm);
    csb_ctx_free(ctx);
    return rc;
}

static int create(csb_ctx *ctx, csb_error **err) {
    csb_vm_options o = CSB_VM_OPTIONS_INIT;
    csb_port port = {(uint16_t)atoi(getenv("FAULTS_PORT")), 80};
    csb_vm *vm = NULL;
    int rc;

    o.name = NAME;
    o.project_dir = getenv("FAULTS_PROJECT");
    o.settings_dir = getenv("FAULTS_SETTINGS");
    o.cpus = 1;
    o.ports = &port;
    o.n_ports = 1;
    rc = csb_vm_create(ctx, getenv("FAULTS_TEMPLATE"), &o, &vm, err);
    csb_vm_free(vm);
    return rc;
}

static int copy(csb_ctx *ctx, csb_error **err) {
    csb_vm_options o = CSB_VM_OPTIONS_INIT;
    csb_vm *vm = NULL;
    int rc;

    o.name = COPY;
    rc = csb_vm_clone(ctx, NAME, &o, &vm, err);
    csb_vm_free(vm);
    return rc;
}

static int list(csb_ctx *ctx, csb_error **err) {
    csb_vm_list *all = NULL;
    int rc = csb_vm_list_new(ctx, &all, err);

    if (rc == 0 && csb_vm_list_count(all) != 1) {
        fprintf(stderr, "  a list without the machine\n");
        abort();
    }
    csb_vm_list_free(all);
    return rc;
}

static int clean(csb_ctx *ctx, csb_error **err) {
    return csb_ctx_clean(ctx, 0, NULL, NULL, err);
}

static int configure(csb_vm *vm, csb_error **err) {
    csb_vm_options o = CSB_VM_OPTIONS_INIT;

    o.cpus = 2;
    o.settings_mode = CSB_SETTINGS_RO;
    return csb_vm_configure(vm, &o, NULL, err);
}

static int stop(csb_vm *vm, csb_error **err) {
    return csb_vm_stop(vm, 0, err);
}

static int delete (csb_vm *vm, csb_error **err) {
    return csb_vm_delete(vm, CSB_DELETE_FORCE, err);
}

static int rename_away(csb_vm *vm, csb_error **err) {
    return csb_vm_rename(vm, OTHER, 0, err);
}

static int rename_back(csb_vm *vm, csb_error **err) {
    return csb_vm_rename(vm, NAME, 0, err);
}

static int replace(csb_vm *vm, csb_error **err) {
    return csb_vm_rename(vm, NAME, CSB_RENAME_REPLACE, err);
}

static int protect(csb_vm *vm, csb_error **err) {
    int rc = csb_vm_protect(vm, 1, err);

    return rc == 0 ? csb_vm_protect(vm, 0, err) : rc;
}

static int exec(csb_vm *vm, csb_error **err) {
    static const char *const argv[] = {"true", NULL};
    static const char *const env[] = {"FOO=bar", NULL};
    csb_exec_options o = CSB_EXEC_OPTIONS_INIT;
    csb_exit done = {0};

    o.argv = argv;
    o.env = env;
    o.stdin_fd = o.stdout_fd = o.stderr_fd = -1;
    return csb_vm_exec(vm, &o, &done, err);
}

/* --- hooks ------------------------------------------------------------------------------------ */

static const char body[] = "{\"hook_event_name\":\"PreToolUse\",\"tool_name\":\"B\\u0061sh\"}";

/* A hook in the machine, as the host sees it. */
static void call_in(const char *path) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char text[512];
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int n = snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nContent-Length: %zu\r\n\r\n%s",
                     strlen(body), body);

    if (strlen(path) >= sizeof(addr.sun_path)) {
        return;
    }
    memcpy(addr.sun_path, path, strlen(path));
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
        send(fd, text, (size_t)n, MSG_NOSIGNAL) > 0) {
        while (recv(fd, text, sizeof(text), 0) > 0) {
        }
    }
    close(fd);
}

/* The only socket there, of the only machine. */
static void call_in_there(const char *state) {
    char path[512];
    DIR *dir;
    const struct dirent *entry;

    snprintf(path, sizeof(path), "%s/run/hooks", state);
    dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        if (strlen(entry->d_name) == strlen("01234567.sock")) {
            snprintf(path, sizeof(path), "%s/run/hooks/%s", state, entry->d_name);
            call_in(path);
        }
    }
}

static int on_event(const csb_event *event, csb_reply *reply, void *userdata) {
    csb_error *err = NULL;
    int *n = userdata;
    const char *tool = csb_event_tool(event);

    (*n)++;
    /* Whatever fails, the rest must go on. */
    (void)csb_reply_deny(reply, tool ? tool : "?", &err);
    csb_error_free(err);
    (void)csb_reply_input(reply, "{\"a\":1}", NULL);
    return 0;
}

/* Until the hook has gone, answered or not. */
static int listen_for(csb_hooks *hooks, pid_t child, csb_error **err) {
    int rc = 0;

    while (rc == 0 && waitpid(child, NULL, WNOHANG) == 0) {
        rc = csb_hooks_dispatch(hooks, 50, err);
    }
    if (rc != 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    return rc;
}

static int hooks(csb_ctx *ctx, csb_error **err) {
    csb_hooks *h = NULL;
    int n = 0;
    int rc = csb_hooks_open(ctx, NULL, on_event, &n, &h, err);
    pid_t child;

    if (rc != 0) {
        return rc;
    }
    while ((child = fork()) < 0) {
        /* Ours to fail is only the library's. */
    }
    if (child == 0) {
        call_in_there(csb_ctx_state_dir(ctx));
        _exit(0);
    }
    rc = listen_for(h, child, err);
    csb_hooks_close(h);
    return rc;
}

/* --- the table -------------------------------------------------------------------------------- */

#define CTX_OPERATION(id, fn)                                                                      \
    static int id(csb_error **err) {                                                               \
        return with_ctx(fn, err);                                                                  \
    }
#define VM_OPERATION(id, name, fn)                                                                 \
    static int id(csb_error **err) {                                                               \
        return with_vm(name, fn, err);                                                             \
    }

CTX_OPERATION(run_create, create)
CTX_OPERATION(run_copy, copy)
CTX_OPERATION(run_list, list)
CTX_OPERATION(run_clean, clean)
CTX_OPERATION(run_hooks, hooks)
VM_OPERATION(run_start, NAME, csb_vm_start)
VM_OPERATION(run_configure, NAME, configure)
VM_OPERATION(run_protect, NAME, protect)
VM_OPERATION(run_exec, NAME, exec)
VM_OPERATION(run_stop, NAME, stop)
VM_OPERATION(run_delete, NAME, delete)
VM_OPERATION(run_delete_copy, COPY, delete)
VM_OPERATION(run_rename, NAME, rename_away)
VM_OPERATION(run_rename_back, OTHER, rename_back)
VM_OPERATION(run_replace, COPY, replace)

static const struct operation op_create, op_start;
static const struct operation op_delete_copy = {"delete-copy", run_delete_copy, NULL, NULL, NULL};
static const struct operation op_rename_back = {"rename-back", run_rename_back, NULL, NULL, NULL};
static const struct operation op_copy_plain = {"copy", run_copy, NULL, NULL, NULL};
static const struct operation *const made[] = {&op_create, NULL};
static const struct operation *const running[] = {&op_create, &op_start, NULL};
static const struct operation *const two[] = {&op_create, &op_copy_plain, NULL};
static const struct operation op_delete = {"delete", run_delete, &op_create, made,
                                           "one broken its engine does not know it any more;"};
static const struct operation op_stop = {"stop", run_stop, &op_start, running, NULL};
static const struct operation op_create = {"create", run_create, &op_delete, NULL, NULL};
static const struct operation op_start = {"start", run_start, &op_stop, made, NULL};
static const struct operation op_copy = {"copy", run_copy, &op_delete_copy, made, NULL};
static const struct operation op_list = {"list", run_list, NULL, running, NULL};
static const struct operation op_clean = {"clean", run_clean, NULL, made, NULL};
static const struct operation op_hooks = {"hooks", run_hooks, NULL, running, NULL};
static const struct operation op_configure = {"configure", run_configure, NULL, made, NULL};
static const struct operation op_protect = {"protect", run_protect, NULL, made, NULL};
static const struct operation op_exec = {"exec", run_exec, NULL, running, NULL};
static const struct operation op_rename = {"rename", run_rename, &op_rename_back, made, NULL};
static const struct operation op_replace = {"replace", run_replace, &op_copy_plain, two, NULL};

const struct operation *operation_find(const char *name) {
    static const struct operation *const all[] = {
        &op_create,    &op_copy,    &op_start, &op_list,   &op_clean,  &op_hooks,  &op_exec,
        &op_configure, &op_protect, &op_stop,  &op_delete, &op_rename, &op_replace};

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        if (strcmp(all[i]->name, name) == 0) {
            return all[i];
        }
    }
    return NULL;
}

static int describe(csb_ctx *ctx, char out[SNAPSHOT_MAX], csb_error **err) {
    csb_vm_list *all = NULL;
    size_t len = 0;
    int rc = csb_vm_list_new(ctx, &all, err);

    out[0] = '\0';
    for (size_t i = 0; rc == 0 && i < csb_vm_list_count(all); i++) {
        const csb_vm *vm = csb_vm_list_get(all, i);

        len += (size_t)snprintf(out + len, SNAPSHOT_MAX - len, "%s %s %s;", csb_vm_name(vm),
                                csb_vm_state_name(vm), csb_vm_state_reason(vm));
        len = len < SNAPSHOT_MAX ? len : SNAPSHOT_MAX - 1;
    }
    csb_vm_list_free(all);
    return rc;
}

/* What replacing leaves where it can't delete, with a warning. */
static void tidy(csb_ctx *ctx) {
    csb_vm *vm = NULL;

    if (csb_vm_open(ctx, NAME "-old", &vm, NULL) == 0) {
        (void)csb_vm_delete(vm, CSB_DELETE_FORCE, NULL);
        csb_vm_free(vm);
    }
}

bool world_snapshot(char out[SNAPSHOT_MAX]) {
    csb_error *err = NULL;
    csb_ctx *ctx = NULL;
    int rc = csb_ctx_new(NULL, &ctx, &err);

    if (rc == 0) {
        tidy(ctx);
        rc = describe(ctx, out, &err);
        csb_ctx_free(ctx);
    }
    if (rc != 0) {
        snprintf(out, SNAPSHOT_MAX, "%s", csb_error_message(err));
    }
    csb_error_free(err);
    return rc == 0;
}
