/* SPDX-License-Identifier: MIT */
#include <claudesandbox/exec.h>

#include <string.h>

#include "core/options.h"
#include "core/posix.h"
#include "guest/host_env.h"
#include "guest/script.h"
#include "guest/ssh.h"
#include "vm.h"

#define CONNECT_MS (60 * 1000)
#define KILL_MS (10 * 1000)

static int check(const csb_exec_options *o, csb_error **err) {
    if (o->flags & ~(unsigned)(CSB_EXEC_TTY | CSB_EXEC_LOGIN)) {
        return csb__fail(err, CSB_EINVAL, "unknown flags");
    }
    if ((!o->argv || !o->argv[0]) && !(o->flags & CSB_EXEC_LOGIN)) {
        return csb__fail(err, CSB_EINVAL, "no program to run");
    }
    if (o->cwd && *o->cwd != '/') {
        return csb__fail(err, CSB_EINVAL, "%s is not an absolute path", o->cwd);
    }
    if (o->stdin_fd < -1 || o->stdout_fd < -1 || o->stderr_fd < -1) {
        return csb__fail(err, CSB_EINVAL, "a descriptor below -1 is none");
    }
    for (const char *const *e = o->env; e && *e; e++) {
        if (!csb__env_entry_valid(*e)) {
            return csb__fail(err, CSB_EINVAL, "an environment entry is not NAME=value");
        }
    }
    return 0;
}

/* Our side is done with a program that may still run over there. */
static void kill_remote(csb_vm *vm, const char *token) {
    struct csb__env *env = &vm->ctx->env;
    int64_t saved = csb__env_shield(env, KILL_MS);
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTORESULT result = {0};

    csb__kill_script(&script, token);
    if (!script.failed) {
        (void)csb__ssh_run(env, &vm->machine.door, csb__strbuf_text(&script), NULL, &result, NULL);
    }
    csb__env_unshield(env, saved);
}

static int stash_env(csb_vm *vm, const char *const *entries, const char *token, csb_error **err) {
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTORESULT result = {0};
    int rc;

    csb__stash_script(&script, token);
    csb__stash_text(&text, entries);
    if (script.failed || text.failed) {
        return csb__fail_nomem(err);
    }
    rc = csb__ssh_run(&vm->ctx->env, &vm->machine.door, csb__strbuf_text(&script),
                      csb__strbuf_text(&text), &result, err);
    if (rc == 0 && result.status != 0) {
        rc = csb__fail(err, CSB_EENGINE, "the VM takes no environment for the program");
        csb__error_set_child(err, result.status, csb__strbuf_text(&result.errout),
                             result.errout.len);
    }
    return rc;
}

static int run(csb_vm *vm, const csb_exec_options *o, csb_exit *ret, csb_error **err) {
    struct csb__env *env = &vm->ctx->env;
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTOSTRV session = CSB__STRV_INIT;
    char token[17];
    struct csb__command command = {.argv = o->argv && o->argv[0] ? o->argv : NULL,
                                   .stashed = o->env && o->env[0],
                                   .cwd = o->cwd ? o->cwd : vm->record.spec.project_dir,
                                   .token = token,
                                   .login = o->flags & CSB_EXEC_LOGIN};
    struct csb__ssh_exec exec = {.stdin_fd = o->stdin_fd,
                                 .stdout_fd = o->stdout_fd,
                                 .stderr_fd = o->stderr_fd,
                                 .tty = o->flags & CSB_EXEC_TTY,
                                 .timeout_ms = o->timeout_ms};
    int status = 0;
    int rc;

    if (csb__random_hex(token, 16) != 0) {
        return csb__fail(err, CSB_ESYSTEM, "no random numbers");
    }
    if (command.login) {
        csb__host_env_session(&session, o->env);
        command.env = csb__strv_items(&session);
    }
    csb__command_script(&script, &command);
    if (script.failed || session.failed) {
        return csb__fail_nomem(err);
    }
    if (command.stashed) {
        rc = stash_env(vm, o->env, token, err);
        if (rc != 0) {
            return rc;
        }
    }
    /* The program takes the time it takes, unless the caller limits it. */
    csb__env_begin(env, -1);
    exec.script = csb__strbuf_text(&script);
    rc = csb__ssh_exec(env, &vm->machine.door, &exec, &status, err);
    if (rc == CSB_ECANCELED || rc == CSB_ETIMEOUT) {
        kill_remote(vm, token);
    }
    if (rc == 0) {
        ret->status = status;
    }
    return rc;
}

int csb_vm_exec(csb_vm *vm, const csb_exec_options *opts, csb_exit *ret, csb_error **err) {
    csb_exec_options o = CSB_EXEC_OPTIONS_INIT;
    int rc = csb__options_load(&o, sizeof(o), opts, err);

    if (rc == 0) {
        rc = check(&o, err);
    }
    if (rc == 0) {
        rc = csb__vm_require_running(vm, err);
    }
    if (rc != 0) {
        return rc;
    }
    csb__env_begin(&vm->ctx->env, CONNECT_MS);
    rc = csb__ssh_connect(&vm->ctx->env, &vm->machine.door, err);
    return rc == 0 ? run(vm, &o, ret, err) : rc;
}
