/* SPDX-License-Identifier: MIT */
/* Made by declarations.py from the installed headers: change those, and run it again. */

/* <claudesandbox/version.h> */
#define CSB_VERSION_MAJOR ...
#define CSB_VERSION_MINOR ...
#define CSB_VERSION_PATCH ...
const char *csb_version(void);

/* <claudesandbox/error.h> */
#define CSB_EINVAL ...
#define CSB_ENOMEM ...
#define CSB_ESYSTEM ...
#define CSB_ENOTFOUND ...
#define CSB_EEXISTS ...
#define CSB_ESTATE ...
#define CSB_EENGINE ...
#define CSB_ENOENGINE ...
#define CSB_ENOTSUP ...
#define CSB_ETIMEOUT ...
#define CSB_EPROTOCOL ...
#define CSB_EBUSY ...
#define CSB_EUSER ...
#define CSB_ECANCELED ...
typedef struct csb_error csb_error;
int csb_error_code(const csb_error *err);
const char *csb_error_message(const csb_error *err);
const char *csb_error_hint(const csb_error *err);
int csb_error_errno(const csb_error *err);
int csb_error_exit_status(const csb_error *err);
const char *csb_error_detail(const csb_error *err);
const char *csb_error_name(int code);
const char *csb_strerror(int code);
void csb_error_free(csb_error *err);

/* <claudesandbox/context.h> */
typedef struct csb_ctx csb_ctx;
#define CSB_LOG_WARNING ...
#define CSB_LOG_INFO ...
#define CSB_LOG_DEBUG ...
typedef void (*csb_log_fn)(int level, const char *text, void *userdata);
typedef void (*csb_progress_fn)(int step, int steps, const char *text, void *userdata);
typedef struct csb_ctx_options {
    size_t size;
    const char *state_dir;
    const char *engine;
    const char *limactl;
    const char *guest_dir;
    int timeout_ms;
    csb_log_fn log;
    void *log_userdata;
    csb_progress_fn progress;
    void *progress_userdata;
} csb_ctx_options;
int csb_ctx_new(const csb_ctx_options *opts, csb_ctx **ret, csb_error **err);
void csb_ctx_free(csb_ctx *ctx);
int csb_ctx_cancel(csb_ctx *ctx);
const char *csb_ctx_state_dir(const csb_ctx *ctx);
const char *csb_ctx_template(const csb_ctx *ctx);
int csb_ctx_engine(csb_ctx *ctx, const char **ret, const char **why, csb_error **err);
#define CSB_CLEAN_DRY_RUN ...
typedef void (*csb_clean_fn)(const char *what, const char *path, uint64_t bytes, const csb_error *failure, void *userdata);
int csb_ctx_clean(csb_ctx *ctx, unsigned flags, csb_clean_fn fn, void *userdata, csb_error **err);

/* <claudesandbox/vm.h> */
typedef struct csb_vm csb_vm;
typedef struct csb_vm_list csb_vm_list;
typedef struct csb_mount {
    const char *host_path;
    const char *guest_path;
    int writable;
} csb_mount;
typedef struct csb_port {
    uint16_t host;
    uint16_t guest;
} csb_port;
#define CSB_VM_STOPPED ...
#define CSB_VM_STARTING ...
#define CSB_VM_RUNNING ...
#define CSB_VM_BROKEN ...
#define CSB_VM_SUSPENDED ...
#define CSB_VM_FORCE_MOUNT ...
#define CSB_SETTINGS_RW ...
#define CSB_SETTINGS_RO ...
typedef struct csb_vm_options {
    size_t size;
    const char *name;
    const char *project_dir;
    const char *settings_dir;
    int cpus;
    uint64_t memory_bytes;
    uint64_t disk_bytes;
    const csb_mount *mounts;
    size_t n_mounts;
    unsigned flags;
    const csb_port *ports;
    size_t n_ports;
    int settings_mode;
} csb_vm_options;
int csb_size_parse(const char *text, uint64_t *ret, csb_error **err);
int csb_vm_create(csb_ctx *ctx, const char *template_path, const csb_vm_options *opts, csb_vm **ret, csb_error **err);
int csb_vm_clone(csb_ctx *ctx, const char *base_name, const csb_vm_options *opts, csb_vm **ret, csb_error **err);
int csb_vm_open(csb_ctx *ctx, const char *name, csb_vm **ret, csb_error **err);
int csb_vm_for_project(csb_ctx *ctx, const char *dir, csb_vm **ret, csb_error **err);
int csb_vm_list_new(csb_ctx *ctx, csb_vm_list **ret, csb_error **err);
size_t csb_vm_list_count(const csb_vm_list *list);
csb_vm *csb_vm_list_get(const csb_vm_list *list, size_t i);
void csb_vm_list_free(csb_vm_list *list);
int csb_vm_start(csb_vm *vm, csb_error **err);
int csb_vm_set_ports(csb_vm *vm, const csb_port *ports, size_t n_ports, csb_error **err);
int csb_vm_configure(csb_vm *vm, const csb_vm_options *opts, int *ret_later, csb_error **err);
int csb_vm_carry_socket(csb_vm *vm, const char *host_path, const char *name, csb_error **err);
#define CSB_STOP_FORCE ...
#define CSB_STOP_SUSPEND ...
int csb_vm_stop(csb_vm *vm, unsigned flags, csb_error **err);
#define CSB_DELETE_FORCE ...
int csb_vm_delete(csb_vm *vm, unsigned flags, csb_error **err);
#define CSB_RENAME_REPLACE ...
#define CSB_RENAME_CHECK ...
int csb_vm_rename(csb_vm *vm, const char *new_name, unsigned flags, csb_error **err);
int csb_vm_protect(csb_vm *vm, int on, csb_error **err);
int csb_vm_is_protected(const csb_vm *vm);
int csb_vm_refresh(csb_vm *vm, csb_error **err);
const char *csb_vm_name(const csb_vm *vm);
const char *csb_vm_project_dir(const csb_vm *vm);
const char *csb_vm_engine(const csb_vm *vm);
int csb_vm_state(const csb_vm *vm);
const char *csb_vm_state_name(const csb_vm *vm);
const char *csb_vm_state_reason(const csb_vm *vm);
int csb_vm_cpus(const csb_vm *vm);
uint64_t csb_vm_memory_bytes(const csb_vm *vm);
uint64_t csb_vm_disk_bytes(const csb_vm *vm);
uint64_t csb_vm_disk_used_bytes(const csb_vm *vm);
int64_t csb_vm_created(const csb_vm *vm);
int64_t csb_vm_started(const csb_vm *vm);
const char *csb_vm_ssh_config(const csb_vm *vm);
const char *csb_vm_ssh_host(const csb_vm *vm);
void csb_vm_free(csb_vm *vm);

/* <claudesandbox/exec.h> */
typedef struct csb_exit {
    int status;
} csb_exit;
#define CSB_EXEC_TTY ...
#define CSB_EXEC_LOGIN ...
#define CSB_EXEC_NULL ...
#define CSB_EXEC_PIPE ...
typedef struct csb_exec_options {
    size_t size;
    const char *const *argv;
    const char *const *env;
    const char *cwd;
    int stdin_fd;
    int stdout_fd;
    int stderr_fd;
    unsigned flags;
    int timeout_ms;
} csb_exec_options;
int csb_vm_exec(csb_vm *vm, const csb_exec_options *opts, csb_exit *ret, csb_error **err);
typedef struct csb_process csb_process;
#define CSB_PROCESS_END ...
int csb_vm_spawn(csb_vm *vm, const csb_exec_options *opts, csb_process **ret, csb_error **err);
int csb_process_fd(csb_process *process, int which);
void csb_process_close(csb_process *process, int which);
int csb_process_wait(csb_process *process, int timeout_ms, csb_exit *ret, csb_error **err);
int csb_process_kill(csb_process *process, int signo, csb_error **err);
void csb_process_free(csb_process *process);

/* <claudesandbox/claude.h> */
#define CSB_CLAUDE_HOST_LOGIN ...
typedef struct csb_claude_options {
    size_t size;
    const char *const *args;
    const char *prompt;
    const char *permission_mode;
    const char *const *env;
    int stdin_fd;
    int stdout_fd;
    int stderr_fd;
    unsigned flags;
    int timeout_ms;
} csb_claude_options;
int csb_vm_exec_claude(csb_vm *vm, const csb_claude_options *opts, csb_exit *ret, csb_error **err);
int csb_vm_spawn_claude(csb_vm *vm, const csb_claude_options *opts, csb_process **ret, csb_error **err);
#define CSB_ACTIVITY_NONE ...
#define CSB_ACTIVITY_IDLE ...
#define CSB_ACTIVITY_WAITING ...
#define CSB_ACTIVITY_BUSY ...
int csb_vm_activity(csb_vm *vm, int *ret, csb_error **err);

/* <claudesandbox/hooks.h> */
#define CSB_HOOKS_WATCH ...
typedef struct csb_hooks csb_hooks;
typedef struct csb_event csb_event;
typedef struct csb_reply csb_reply;
typedef int (*csb_hook_fn)(const csb_event *event, csb_reply *reply, void *userdata);
typedef struct csb_hooks_options {
    size_t size;
    size_t body_max;
    int rate;
    int request_timeout_ms;
    unsigned flags;
} csb_hooks_options;
int csb_hooks_open(csb_ctx *ctx, const csb_hooks_options *opts, csb_hook_fn fn, void *userdata, csb_hooks **ret, csb_error **err);
int csb_hooks_fd(const csb_hooks *hooks);
int csb_hooks_dispatch(csb_hooks *hooks, int timeout_ms, csb_error **err);
int csb_hooks_wakeup(csb_hooks *hooks);
void csb_hooks_close(csb_hooks *hooks);
int csb_hooks_listen(csb_ctx *ctx, const csb_hooks_options *opts, csb_hook_fn fn, void *userdata, csb_error **err);
const char *csb_event_vm(const csb_event *event);
const char *csb_event_project_dir(const csb_event *event);
const char *csb_event_name(const csb_event *event);
const char *csb_event_session(const csb_event *event);
const char *csb_event_cwd(const csb_event *event);
const char *csb_event_tool(const csb_event *event);
const char *csb_event_message(const csb_event *event);
const char *csb_event_title(const csb_event *event);
const char *csb_event_notification_type(const csb_event *event);
const char *csb_event_string(const csb_event *event, const char *key);
uint64_t csb_event_lost(const csb_event *event);
const char *csb_event_json(const csb_event *event, size_t *len);
int csb_reply_allow(csb_reply *reply, csb_error **err);
int csb_reply_deny(csb_reply *reply, const char *reason, csb_error **err);
int csb_reply_ask(csb_reply *reply, const char *reason, csb_error **err);
int csb_reply_block(csb_reply *reply, const char *reason, csb_error **err);
int csb_reply_context(csb_reply *reply, const char *text, csb_error **err);
int csb_reply_input(csb_reply *reply, const char *json, csb_error **err);
int csb_reply_hold(csb_reply *reply, csb_reply **ret, csb_error **err);
int csb_reply_send(csb_reply *held, csb_error **err);
int csb_reply_waits(const csb_reply *held);
