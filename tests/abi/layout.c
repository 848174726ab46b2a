/* SPDX-License-Identifier: MIT */
/* Structs that callers fill in: their beginning never changes, they only grow at the end. */
#include <claudesandbox.h>

#include <stdio.h>

static int failed;

static void check(int good, const char *what) {
    if (!good) {
        fprintf(stderr, "%s\n", what);
        failed = 1;
    }
}

/* The member behind another, with nothing between them but padding for its alignment. */
#define FIRST(type, a) check(offsetof(type, a) == 0, #type " does not begin with " #a)
#define AFTER(type, a, b)                                                                          \
    check(offsetof(type, b) > offsetof(type, a) &&                                                 \
              offsetof(type, b) - offsetof(type, a) <= 2 * sizeof(uint64_t),                       \
          #type ": " #b " is not behind " #a)

static void check_context(void) {
    csb_ctx_options o = CSB_CTX_OPTIONS_INIT;

    FIRST(csb_ctx_options, size);
    AFTER(csb_ctx_options, size, state_dir);
    AFTER(csb_ctx_options, state_dir, engine);
    AFTER(csb_ctx_options, engine, limactl);
    AFTER(csb_ctx_options, limactl, guest_dir);
    AFTER(csb_ctx_options, guest_dir, timeout_ms);
    AFTER(csb_ctx_options, timeout_ms, log);
    AFTER(csb_ctx_options, log, log_userdata);
    AFTER(csb_ctx_options, log_userdata, progress);
    AFTER(csb_ctx_options, progress, progress_userdata);
    check(o.size == sizeof(o), "CSB_CTX_OPTIONS_INIT does not set the size");
}

static void check_vm(void) {
    csb_vm_options o = CSB_VM_OPTIONS_INIT;

    FIRST(csb_vm_options, size);
    AFTER(csb_vm_options, size, name);
    AFTER(csb_vm_options, name, project_dir);
    AFTER(csb_vm_options, project_dir, settings_dir);
    AFTER(csb_vm_options, settings_dir, cpus);
    AFTER(csb_vm_options, cpus, memory_bytes);
    AFTER(csb_vm_options, memory_bytes, disk_bytes);
    AFTER(csb_vm_options, disk_bytes, mounts);
    AFTER(csb_vm_options, mounts, n_mounts);
    AFTER(csb_vm_options, n_mounts, flags);
    AFTER(csb_vm_options, flags, ports);
    AFTER(csb_vm_options, ports, n_ports);
    check(o.size == sizeof(o), "CSB_VM_OPTIONS_INIT does not set the size");
}

static void check_exec(void) {
    csb_exec_options e = CSB_EXEC_OPTIONS_INIT;
    csb_claude_options c = CSB_CLAUDE_OPTIONS_INIT;

    FIRST(csb_exec_options, size);
    AFTER(csb_exec_options, size, argv);
    AFTER(csb_exec_options, argv, env);
    AFTER(csb_exec_options, env, cwd);
    AFTER(csb_exec_options, cwd, stdin_fd);
    AFTER(csb_exec_options, stderr_fd, flags);
    AFTER(csb_exec_options, flags, timeout_ms);
    check(e.size == sizeof(e), "CSB_EXEC_OPTIONS_INIT does not set the size");
    check(e.stdin_fd == 0 && e.stdout_fd == 1 && e.stderr_fd == 2,
          "CSB_EXEC_OPTIONS_INIT does not take our streams");
    FIRST(csb_claude_options, size);
    AFTER(csb_claude_options, size, args);
    AFTER(csb_claude_options, args, prompt);
    AFTER(csb_claude_options, prompt, permission_mode);
    AFTER(csb_claude_options, permission_mode, env);
    AFTER(csb_claude_options, env, stdin_fd);
    AFTER(csb_claude_options, stderr_fd, flags);
    AFTER(csb_claude_options, flags, timeout_ms);
    check(c.size == sizeof(c), "CSB_CLAUDE_OPTIONS_INIT does not set the size");
    check(c.stdin_fd == 0 && c.stdout_fd == 1 && c.stderr_fd == 2,
          "CSB_CLAUDE_OPTIONS_INIT does not take our streams");
}

static void check_hooks(void) {
    csb_hooks_options o = CSB_HOOKS_OPTIONS_INIT;

    FIRST(csb_hooks_options, size);
    AFTER(csb_hooks_options, size, body_max);
    AFTER(csb_hooks_options, body_max, rate);
    AFTER(csb_hooks_options, rate, request_timeout_ms);
    AFTER(csb_hooks_options, request_timeout_ms, flags);
    check(o.size == sizeof(o), "CSB_HOOKS_OPTIONS_INIT does not set the size");
}

/* Numbers that programs have compiled in. */
static void check_numbers(void) {
    check(CSB_EINVAL == -1 && CSB_ENOMEM == -2 && CSB_ESYSTEM == -3 && CSB_ENOTFOUND == -4 &&
              CSB_EEXISTS == -5 && CSB_ESTATE == -6 && CSB_EENGINE == -7 && CSB_ENOENGINE == -8 &&
              CSB_ENOTSUP == -9 && CSB_ETIMEOUT == -10 && CSB_EPROTOCOL == -11 &&
              CSB_EBUSY == -12 && CSB_EUSER == -13 && CSB_ECANCELED == -14,
          "an error code has another number");
    check(CSB_VM_STOPPED == 1 && CSB_VM_STARTING == 2 && CSB_VM_RUNNING == 3 && CSB_VM_BROKEN == 4,
          "a state has another number");
    check(CSB_VM_FORCE_MOUNT == 1 && CSB_STOP_FORCE == 1 && CSB_DELETE_FORCE == 1 &&
              CSB_EXEC_TTY == 1 && CSB_EXEC_LOGIN == 2 && CSB_EXEC_NULL == -1 &&
              CSB_EXEC_PIPE == -2 && CSB_PROCESS_END == 3,
          "a flag has another number");
    check(CSB_CLEAN_DRY_RUN == 1, "a flag of csb_ctx_clean() has another number");
    check(CSB_LOG_INFO == 1 && CSB_LOG_DEBUG == 2, "a log level has another number");
    check(sizeof(csb_port) == 4, "csb_port has another size");
}

int main(void) {
    check_context();
    check_vm();
    check_exec();
    check_hooks();
    check_numbers();
    return failed;
}
