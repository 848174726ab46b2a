/* SPDX-License-Identifier: MIT */
#include <claudesandbox/claude.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/options.h"
#include "core/strbuf.h"
#include "guest/loopback.h"
#include "guest/ssh.h"
#include "vm.h"

/* What of the caller's environment is meant for Claude; nothing else gets in. */
static const char *const passed[] = {
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_MODEL",
    "ANTHROPIC_SMALL_FAST_MODEL",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "COLORTERM",
    "LANG",
    "NO_COLOR",
    "TZ",
    NULL,
};

static bool is_named(const char *entry, const char *name) {
    size_t n = strlen(name);

    return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

static bool has(const char *const *env, const char *name) {
    for (; env && *env; env++) {
        if (is_named(*env, name)) {
            return true;
        }
    }
    return false;
}

static void build_env(struct csb__strv *out, const char *const *given) {
    /* The machine is the sandbox: Claude need not ask whether its project is trusted. */
    csb__strv_add(out, "CLAUDE_CODE_SANDBOXED=1");
    csb__strv_add(out, "UV_PROJECT_ENVIRONMENT=.venv-agent");
    for (int i = 0; passed[i]; i++) {
        const char *value = getenv(passed[i]);

        if (value && !has(given, passed[i])) {
            csb__strv_addf(out, "%s=%s", passed[i], value);
        }
    }
    csb__strv_add_all(out, given);
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
    struct csb__env *e = &vm->ctx->env;
    char host[64];
    int port;
    int rc;

    for (; *env; env++) {
        if (is_named(*env, "ANTHROPIC_BASE_URL") &&
            csb__loopback_url(strchr(*env, '=') + 1, host, sizeof(host), &port)) {
            csb__env_begin(e, 60000);
            rc = csb__ssh_connect(e, &vm->machine.door, err);
            if (rc == 0) {
                rc = csb__ssh_carry_port(e, &vm->machine.door, host, port, err);
            }
            return rc;
        }
    }
    return 0;
}

int csb_vm_exec_claude(csb_vm *vm, const csb_claude_options *opts, csb_exit *ret, csb_error **err) {
    csb_claude_options o = CSB_CLAUDE_OPTIONS_INIT;
    csb_exec_options exec = CSB_EXEC_OPTIONS_INIT;
    CSB__AUTOSTRV argv = CSB__STRV_INIT;
    CSB__AUTOSTRV env = CSB__STRV_INIT;
    int rc = csb__options_load(&o, sizeof(o), opts, err);

    if (rc == 0 && (o.flags & ~(unsigned)CSB_EXEC_TTY)) {
        rc = csb__fail(err, CSB_EINVAL, "unknown flags");
    }
    if (rc == 0) {
        rc = csb__vm_require_running(vm, err);
    }
    if (rc != 0) {
        return rc;
    }
    build_argv(&argv, &o);
    build_env(&env, o.env);
    if (argv.failed || env.failed) {
        return csb__fail_nomem(err);
    }
    rc = carry_endpoint(vm, csb__strv_items(&env), err);
    if (rc != 0) {
        return rc;
    }
    exec.argv = csb__strv_items(&argv);
    exec.env = csb__strv_items(&env);
    exec.stdin_fd = o.stdin_fd;
    exec.stdout_fd = o.stdout_fd;
    exec.stderr_fd = o.stderr_fd;
    exec.flags = o.flags | CSB_EXEC_LOGIN;
    exec.timeout_ms = o.timeout_ms;
    return csb_vm_exec(vm, &exec, ret, err);
}
