/* SPDX-License-Identifier: MIT */
#include <claudesandbox/exec.h>

#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/options.h"
#include "core/posix.h"
#include "guest/forward.h"
#include "guest/host_env.h"
#include "guest/program.h"
#include "guest/ready.h"
#include "guest/script.h"
#include "guest/ssh.h"
#include "vm.h"

#define CONNECT_MS (60 * 1000)

struct csb_process {
    pid_t owner;
    csb_ctx *ctx;
    struct csb__program program;
};

static int check(const csb_exec_options *o, int lowest_fd, csb_error **err) {
    if (o->flags & ~(unsigned)(CSB_EXEC_TTY | CSB_EXEC_LOGIN)) {
        return csb__fail(err, CSB_EINVAL, "unknown flags");
    }
    if ((!o->argv || !o->argv[0]) && !(o->flags & CSB_EXEC_LOGIN)) {
        return csb__fail(err, CSB_EINVAL, "no program to run");
    }
    if (o->cwd && *o->cwd != '/') {
        return csb__fail(err, CSB_EINVAL, "%s is not an absolute path", o->cwd);
    }
    if (o->stdin_fd < lowest_fd || o->stdout_fd < lowest_fd || o->stderr_fd < lowest_fd) {
        return csb__fail(err, CSB_EINVAL, "a descriptor below %d is none", lowest_fd);
    }
    for (const char *const *e = o->env; e && *e; e++) {
        if (!csb__env_entry_valid(*e)) {
            return csb__fail(err, CSB_EINVAL, "an environment entry is not NAME=value");
        }
    }
    return 0;
}

/* The way into the guest, or nothing. A connection that died since, or the guest's reboot, took with it
 * what it carried: that comes along. A port that is somebody else's by now keeps no program away. */
static int ready(csb_vm *vm, csb_error **err) {
    struct csb__env *env = &vm->ctx->env;
    const struct csb__door *door = &vm->machine.door;
    const struct csb__spec *spec = &vm->record.spec;
    CSB__AUTOERROR csb_error *e = NULL;
    int rc = csb__vm_require_running(vm, err);

    if (rc != 0) {
        return rc;
    }
    csb__env_begin(env, CONNECT_MS);
    if (csb__ssh_is_connected(door)) {
        return 0;
    }
    rc = csb__ssh_connect(env, door, err);
    if (rc != 0 || !csb__ready_is_noted(door)) {
        return rc;
    }
    rc = csb__forwards_open(env, door, spec->ports, spec->n_ports, &e);
    if (rc == CSB_ECANCELED || rc == CSB_ENOMEM) {
        return csb__error_propagate(err, CSB__STEAL(e));
    }
    if (rc != 0) {
        csb__log(env, CSB_LOG_WARNING, "ports of %s: %s", csb_vm_name(vm), csb_error_message(e));
    }
    return csb__vm_arm_hooks(vm, NULL, err);
}

static bool is_null(int fd) {
    struct stat null;
    struct stat st;

    return fd == CSB_EXEC_NULL || (fd >= 0 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) &&
                                   stat("/dev/null", &null) == 0 && st.st_rdev == null.st_rdev);
}

/* The keeper inside the program's session, where it can be had there: its stdin has to be the keeper's.
 * On a terminal it can't be told anything, so nobody may have to end the program but with the terminal. */
static char *find_keeper(const csb_vm *vm, const csb_exec_options *o, bool at_once) {
    bool suits = o->flags & CSB_EXEC_TTY ? at_once && o->timeout_ms <= 0 : is_null(o->stdin_fd);

    if (!suits || !o->argv || !o->argv[0] || (o->env && o->env[0])) {
        return NULL;
    }
    return csb__ready_keeper(&vm->machine.door);
}

/* `at_once`: nobody can ask for signals to be sent, so its keeper may come a moment later. */
static int start(csb_vm *vm, const csb_exec_options *o, bool at_once, struct csb__program *ret,
                 csb_error **err) {
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF stash = CSB__STRBUF_INIT;
    CSB__AUTOSTRV session = CSB__STRV_INIT;
    CSB__AUTOFREE char *keeper = find_keeper(vm, o, at_once);
    char token[17];
    struct csb__command command = {.argv = o->argv && o->argv[0] ? o->argv : NULL,
                                   .stashed = o->env && o->env[0],
                                   .cwd = o->cwd ? o->cwd : vm->record.spec.project_dir,
                                   .token = token,
                                   .keeper = keeper,
                                   .tty = o->flags & CSB_EXEC_TTY,
                                   .login = o->flags & CSB_EXEC_LOGIN};
    struct csb__program_options program = {.token = token,
                                           .stdio = {o->stdin_fd, o->stdout_fd, o->stderr_fd},
                                           .tty = o->flags & CSB_EXEC_TTY,
                                           .at_once = at_once,
                                           .kept = keeper};

    if (csb__random_hex(token, 16) != 0) {
        return csb__fail(err, CSB_ESYSTEM, "no random numbers");
    }
    if (command.login) {
        csb__host_env_session(&session, o->env);
        command.env = csb__strv_items(&session);
    }
    csb__command_script(&script, &command);
    csb__stash_text(&stash, o->env);
    if (script.failed || stash.failed || session.failed) {
        return csb__fail_nomem(err);
    }
    program.script = csb__strbuf_text(&script);
    program.stash = command.stashed ? csb__strbuf_text(&stash) : NULL;
    return csb__program_start(&vm->ctx->env, &vm->machine.door, &program, ret, err);
}

int csb_vm_exec(csb_vm *vm, const csb_exec_options *opts, csb_exit *ret, csb_error **err) {
    struct csb__env *env = &vm->ctx->env;
    csb_exec_options o = CSB_EXEC_OPTIONS_INIT;
    struct csb__program program;
    int status = 0;
    int rc = csb__options_load(&o, sizeof(o), opts, err);

    if (rc == 0) {
        rc = check(&o, CSB_EXEC_NULL, err);
    }
    if (rc == 0) {
        rc = ready(vm, err);
    }
    if (rc == 0) {
        rc = start(vm, &o, true, &program, err);
    }
    if (rc != 0) {
        return rc;
    }
    /* The program takes the time it takes, unless the caller limits it. */
    csb__env_begin(env, -1);
    rc = csb__program_wait(env, &program, o.timeout_ms > 0 ? o.timeout_ms : -1, &status, err);
    if (rc == 0) {
        ret->status = status;
    } else {
        csb__program_end(env, &program);
    }
    csb__program_finish(&program);
    return rc;
}

int csb_vm_spawn(csb_vm *vm, const csb_exec_options *opts, csb_process **ret, csb_error **err) {
    csb_exec_options o = CSB_EXEC_OPTIONS_INIT;
    CSB__AUTOFREE csb_process *p = NULL;
    int rc = csb__options_load(&o, sizeof(o), opts, err);

    if (rc == 0) {
        rc = check(&o, CSB_EXEC_PIPE, err);
    }
    if (rc == 0 && o.timeout_ms > 0) {
        rc = csb__fail(err, CSB_EINVAL, "a time limit is for csb_process_wait()");
    }
    if (rc == 0) {
        rc = ready(vm, err);
    }
    if (rc != 0) {
        return rc;
    }
    p = calloc(1, sizeof(*p));
    if (!p) {
        return csb__fail_nomem(err);
    }
    p->owner = getpid();
    p->ctx = vm->ctx;
    rc = start(vm, &o, false, &p->program, err);
    if (rc == 0) {
        *ret = CSB__STEAL(p);
    }
    return rc;
}

int csb_process_fd(csb_process *process, int which) {
    const struct csb__child *ssh = &process->program.ssh;

    if (which == CSB_PROCESS_END) {
        return ssh->exit_fd;
    }
    return which >= 0 && which < 3 ? ssh->stdio[which] : -1;
}

void csb_process_close(csb_process *process, int which) {
    if (which >= 0 && which < 3) {
        csb__fd_close(&process->program.ssh.stdio[which]);
    }
}

int csb_process_wait(csb_process *process, int timeout_ms, csb_exit *ret, csb_error **err) {
    struct csb__env *env = &process->ctx->env;
    int status = 0;
    int rc;

    csb__env_begin(env, -1);
    rc = csb__program_wait(env, &process->program, timeout_ms < 0 ? -1 : timeout_ms, &status, err);
    if (rc == 0) {
        ret->status = status;
    }
    return rc;
}

int csb_process_kill(csb_process *process, int signo, csb_error **err) {
    return csb__program_signal(&process->program, signo, err);
}

void csb_process_free(csb_process *process) {
    /* In a child that it forked, the program is the parent's still. */
    if (process && process->owner == getpid()) {
        /* An ssh that can't get rid of what the program said would not end. */
        for (int i = 0; i < 3; i++) {
            csb_process_close(process, i);
        }
        csb__program_end(&process->ctx->env, &process->program);
        csb__program_finish(&process->program);
        free(process);
    }
}
