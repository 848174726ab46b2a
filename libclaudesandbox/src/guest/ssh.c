/* SPDX-License-Identifier: MIT */
#include "guest/ssh.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/path.h"
#include "core/posix.h"

#define SCRIPT_MS 120000
#define DISCONNECT_MS 5000

/* What every call says. */
static void add_common(struct csb__strv *argv, const struct csb__door *door) {
    const char *const words[] = {
        "ssh", "-F", door->ssh_config, "-o", "LogLevel=ERROR", "-o", "BatchMode=yes", NULL};

    csb__strv_add_all(argv, words);
}

void csb__ssh_argv(struct csb__strv *argv, const struct csb__door *door) {
    add_common(argv, door);
    csb__strv_add(argv, "-o");
    csb__strv_add(argv, "ControlMaster=no");
}

bool csb__ssh_is_connected(const struct csb__door *door) {
    CSB__AUTOCLOSE int fd = csb__unix_connect(door->control_path);

    return fd >= 0;
}

int csb__ssh_fail(struct csb__run_result *r, const char *what, csb_error **err) {
    csb__fail(err, CSB_EENGINE, "%s: %s", what,
              r->errout.len ? csb__strbuf_last_line(&r->errout) : "ssh ended without a word");
    csb__error_set_child(err, r->status, csb__strbuf_text(&r->errout), r->errout.len);
    return CSB_EENGINE;
}

int csb__ssh_connect(struct csb__env *env, const struct csb__door *door, csb_error **err) {
    CSB__AUTOSTRV argv = CSB__STRV_INIT;
    CSB__AUTORESULT result = {0};
    struct csb__run run = CSB__RUN_INIT;
    const char *const more[] = {"-o", "ControlMaster=yes", "-o",  "ControlPersist=yes",
                                "-o", "ConnectTimeout=20", "-fN", NULL};
    int rc;

    if (csb__ssh_is_connected(door)) {
        return 0;
    }
    /* Left behind by a master that was killed; ssh refuses to replace it. */
    unlink(door->control_path);
    add_common(&argv, door);
    csb__strv_add_all(&argv, more);
    csb__strv_add(&argv, door->ssh_host);
    if (argv.failed) {
        return csb__fail_nomem(err);
    }
    run.argv = csb__strv_items(&argv);
    run.stdout_fd = CSB__FD_NULL;
    run.timeout_ms = 30000;
    rc = csb__run(env, &run, &result, err);
    if (rc == 0 && result.status != 0 && !csb__ssh_is_connected(door)) {
        rc = csb__ssh_fail(&result, "no connection to the VM", err);
    }
    return rc;
}

/* `run` says how; what is run, and on what, comes here. */
static int run_script(struct csb__env *env, const struct csb__door *door, const char *script,
                      struct csb__run *run, struct csb__run_result *ret, csb_error **err) {
    CSB__AUTOSTRV argv = CSB__STRV_INIT;
    int rc;

    csb__ssh_argv(&argv, door);
    csb__strv_add(&argv, "-T");
    csb__strv_add(&argv, door->ssh_host);
    csb__strv_add(&argv, "--");
    csb__strv_add(&argv, script);
    if (argv.failed) {
        return csb__fail_nomem(err);
    }
    run->argv = csb__strv_items(&argv);
    rc = csb__run(env, run, ret, err);
    if (rc == 0 && ret->status == 255) {
        rc = csb__ssh_fail(ret, "the connection to the VM failed", err);
    }
    return rc;
}

static void give(struct csb__run *run, const char *input) {
    run->input = input;
    run->input_len = input ? strlen(input) : 0;
}

/* What we run ourselves, takes seconds; a guest that hangs must not take us with it. */
static int run_ours(struct csb__env *env, const struct csb__door *door, const char *script,
                    struct csb__run *run, struct csb__run_result *ret, csb_error **err) {
    run->stdout_max = (size_t)4 << 20;
    run->timeout_ms = SCRIPT_MS;
    return run_script(env, door, script, run, ret, err);
}

int csb__ssh_run(struct csb__env *env, const struct csb__door *door, const char *script,
                 const char *input, struct csb__run_result *ret, csb_error **err) {
    struct csb__run run = CSB__RUN_INIT;

    give(&run, input);
    return run_ours(env, door, script, &run, ret, err);
}

int csb__ssh_put(struct csb__env *env, const struct csb__door *door, const char *script,
                 const struct csb__strbuf *bytes, struct csb__run_result *ret, csb_error **err) {
    struct csb__run run = CSB__RUN_INIT;

    run.input = csb__strbuf_text(bytes);
    run.input_len = bytes->len;
    return run_ours(env, door, script, &run, ret, err);
}

static void log_line(const char *line, void *userdata) {
    csb__log(userdata, CSB_LOG_DEBUG, "| %s", line);
}

int csb__ssh_work(struct csb__env *env, const struct csb__door *door, const char *script,
                  const char *input, struct csb__run_result *ret, csb_error **err) {
    struct csb__run run = CSB__RUN_INIT;

    give(&run, input);
    run.on_line = log_line;
    run.userdata = env;
    run.flags = CSB__RUN_TAIL;
    return run_script(env, door, script, &run, ret, err);
}

int csb__ssh_forward(struct csb__env *env, const struct csb__door *door, const char *verb,
                     const char *direction, const char *spec, csb_error **err) {
    CSB__AUTOSTRV argv = CSB__STRV_INIT;
    CSB__AUTORESULT result = {0};
    struct csb__run run = CSB__RUN_INIT;
    int rc;

    add_common(&argv, door);
    csb__strv_add(&argv, "-O");
    csb__strv_add(&argv, verb);
    csb__strv_add(&argv, direction);
    csb__strv_add(&argv, spec);
    csb__strv_add(&argv, door->ssh_host);
    if (argv.failed) {
        return csb__fail_nomem(err);
    }
    run.argv = csb__strv_items(&argv);
    run.timeout_ms = 15000;
    rc = csb__run(env, &run, &result, err);
    if (rc == 0 && result.status != 0) {
        rc = csb__ssh_fail(&result, "ssh does not forward it", err);
    }
    return rc;
}

int csb__ssh_carry_port(struct csb__env *env, const struct csb__door *door, const char *host_addr,
                        int port, csb_error **err) {
    char spec[64];
    int rc;

    snprintf(spec, sizeof(spec), "%d:%s:%d", port, host_addr, port);
    rc = csb__ssh_forward(env, door, "forward", "-R", spec, err);
    if (rc != 0) {
        csb__error_prepend(err, "carrying port %d of the host into the VM", port);
    }
    return rc;
}

/* A cancel that comes meanwhile ends what the caller does next: nobody would hear of it here. */
void csb__ssh_disconnect(struct csb__env *env, const struct csb__door *door) {
    CSB__AUTOSTRV argv = CSB__STRV_INIT;
    CSB__AUTORESULT result = {0};
    struct csb__run run = CSB__RUN_INIT;
    int64_t saved;

    if (!door->control_path || !csb__ssh_is_connected(door)) {
        return;
    }
    add_common(&argv, door);
    csb__strv_add(&argv, "-O");
    csb__strv_add(&argv, "exit");
    csb__strv_add(&argv, door->ssh_host);
    if (argv.failed) {
        return;
    }
    run.argv = csb__strv_items(&argv);
    saved = csb__env_shield(env, DISCONNECT_MS);
    (void)csb__run(env, &run, &result, NULL);
    csb__env_unshield(env, saved);
}
