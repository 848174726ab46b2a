/* SPDX-License-Identifier: MIT */
#include <claudesandbox/claude.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/options.h"
#include "core/strbuf.h"
#include "guest/api_key.h"
#include "guest/host_env.h"
#include "guest/login.h"
#include "guest/loopback.h"
#include "guest/ssh.h"
#include "vm.h"

/* Read by guest/hook.sh. */
#define HOOKS_VARIABLE "CLAUDE_HOOKS_SOCKET"
#define PREPARE_MS (60 * 1000)

static bool is_named(const char *entry, const char *name) {
    size_t n = strlen(name);

    return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

/* Whether the user's own words say how permissions are to be handled. */
static bool chooses_permissions(const char *const *args) {
    for (; args && *args && strcmp(*args, "--") != 0; args++) {
        if (strcmp(*args, "--permission-mode") == 0 || is_named(*args, "--permission-mode") ||
            strcmp(*args, "--dangerously-skip-permissions") == 0) {
            return true;
        }
    }
    return false;
}

static void build_argv(struct csb__strv *out, const csb_claude_options *o) {
    csb__strv_add(out, "claude");
    if (o->permission_mode || !chooses_permissions(o->args)) {
        csb__strv_add(out, "--permission-mode");
        csb__strv_add(out, o->permission_mode ? o->permission_mode : "bypassPermissions");
    }
    if (o->prompt) {
        csb__strv_add(out, "-p");
    }
    csb__strv_add_all(out, o->args);
    if (o->prompt) {
        csb__strv_add(out, "--");
        csb__strv_add(out, o->prompt);
    }
}

/* An endpoint on the host's loopback (a gateway, a proxy, a test) is not the guest's: its port is
 * carried there, so that the same URL works. */
static int carry_endpoint(csb_vm *vm, const char *const *env, csb_error **err) {
    const char *url = csb__env_value(env, "ANTHROPIC_BASE_URL");
    char host[64];
    int port;

    if (!url || !csb__loopback_url(url, host, sizeof(host), &port)) {
        return 0;
    }
    return csb__ssh_carry_port(&vm->ctx->env, &vm->machine.door, host, port, err);
}

static bool has_credentials(const char *const *env) {
    return csb__env_value(env, "ANTHROPIC_API_KEY") ||
           csb__env_value(env, "ANTHROPIC_AUTH_TOKEN") ||
           csb__env_value(env, "CLAUDE_CODE_OAUTH_TOKEN");
}

/* What Claude needs in the guest besides its environment. */
static int prepare(csb_vm *vm, const csb_claude_options *o, const char *const *env,
                   csb_error **err) {
    struct csb__env *e = &vm->ctx->env;
    const struct csb__door *door = &vm->machine.door;
    const char *key = csb__env_value(env, "ANTHROPIC_API_KEY");
    int rc;

    csb__env_begin(e, PREPARE_MS);
    rc = csb__ssh_connect(e, door, err);
    if (rc == 0) {
        rc = carry_endpoint(vm, env, err);
    }
    if (rc == 0 && (o->flags & CSB_CLAUDE_HOST_LOGIN) && !has_credentials(env)) {
        rc = csb__login_share(e, door, err);
    }
    if (rc == 0 && (o->flags & CSB_EXEC_TTY) && key) {
        rc = csb__api_key_approve(e, door, key, err);
    }
    return rc == 0 ? csb__vm_arm_hooks(vm, NULL, err) : rc;
}

/* How Claude is run: the words and the environment are the caller's to keep. */
static int plan(csb_vm *vm, const csb_claude_options *opts, struct csb__strv *argv,
                struct csb__strv *env, csb_exec_options *exec, csb_error **err) {
    csb_claude_options o = CSB_CLAUDE_OPTIONS_INIT;
    int rc = csb__options_load(&o, sizeof(o), opts, err);

    if (rc == 0 && (o.flags & ~(unsigned)(CSB_EXEC_TTY | CSB_CLAUDE_HOST_LOGIN))) {
        rc = csb__fail(err, CSB_EINVAL, "unknown flags");
    }
    if (rc == 0) {
        rc = csb__vm_require_running(vm, err);
    }
    if (rc != 0) {
        return rc;
    }
    build_argv(argv, &o);
    csb__host_env_claude(env, o.env);
    csb__strv_add_all(env, o.env);
    if (argv->failed || env->failed) {
        return csb__fail_nomem(err);
    }
    rc = prepare(vm, &o, csb__strv_items(env), err);
    if (rc != 0) {
        return rc;
    }
    if (vm->hooks_socket && !csb__env_value(o.env, HOOKS_VARIABLE)) {
        csb__strv_addf(env, HOOKS_VARIABLE "=%s", vm->hooks_socket);
    }
    if (env->failed) {
        return csb__fail_nomem(err);
    }
    exec->argv = csb__strv_items(argv);
    exec->env = csb__strv_items(env);
    exec->stdin_fd = o.stdin_fd;
    exec->stdout_fd = o.stdout_fd;
    exec->stderr_fd = o.stderr_fd;
    exec->flags = (o.flags & CSB_EXEC_TTY) | CSB_EXEC_LOGIN;
    exec->timeout_ms = o.timeout_ms;
    return 0;
}

int csb_vm_exec_claude(csb_vm *vm, const csb_claude_options *opts, csb_exit *ret, csb_error **err) {
    csb_exec_options exec = CSB_EXEC_OPTIONS_INIT;
    CSB__AUTOSTRV argv = CSB__STRV_INIT;
    CSB__AUTOSTRV env = CSB__STRV_INIT;
    int rc = plan(vm, opts, &argv, &env, &exec, err);

    return rc == 0 ? csb_vm_exec(vm, &exec, ret, err) : rc;
}

int csb_vm_spawn_claude(csb_vm *vm, const csb_claude_options *opts, csb_process **ret,
                        csb_error **err) {
    csb_exec_options exec = CSB_EXEC_OPTIONS_INIT;
    CSB__AUTOSTRV argv = CSB__STRV_INIT;
    CSB__AUTOSTRV env = CSB__STRV_INIT;
    int rc = plan(vm, opts, &argv, &env, &exec, err);

    return rc == 0 ? csb_vm_spawn(vm, &exec, ret, err) : rc;
}
