/* SPDX-License-Identifier: MIT */
#include "engine/qemu/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "core/path.h"
#include "core/posix.h"
#include "core/process.h"
#include "engine/qemu/args.h"
#include "engine/qemu/control.h"
#include "engine/qemu/identity.h"
#include "engine/qemu/image.h"
#include "engine/qemu/keys.h"
#include "engine/qemu/kvm_probe.h"
#include "engine/qemu/process.h"
#include "engine/qemu/qmp.h"

#define QMP_UP_MS 15000
#define SHUTDOWN_MS 30000
#define CONSOLE_MAX 6000

const char csb__qemu_program[] = "qemu-system-x86_64";

static int launch(struct csb__env *env, struct csb__instance *i, const struct csb__spec *spec,
                  const struct csb__image *image, csb_error **err) {
    CSB__AUTOSTRV argv = CSB__STRV_INIT;
    CSB__AUTOFREE char *log = csb__instance_path(i, "qemu.log");
    CSB__AUTOCLOSE int log_fd = -1;
    struct csb__detached detached = {0};
    struct csb__qemu_args args = {.program = csb__qemu_program,
                                  .name = i->name,
                                  .dir = i->dir,
                                  .run_dir = i->run_dir,
                                  .kernel = image->kernel,
                                  .initrd = image->initrd,
                                  .kernel_args = image->kernel_args,
                                  .cpus = i->cpus,
                                  .memory = i->memory};
    const char *why;
    char boot[64];
    int rc;

    args.kvm = csb__kvm_usable(env, &why);
    csb__log(env, CSB_LOG_DEBUG, "%s: %s", args.kvm ? "kvm" : "tcg", why);
    csb__qemu_argv(&argv, &args, spec);
    if (argv.failed || !log) {
        return csb__fail_nomem(err);
    }
    log_fd = csb__open(log, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    if (log_fd < 0) {
        return csb__fail_errno(err, errno, "can't write %s", log);
    }
    detached.argv = csb__strv_items(&argv);
    detached.log_fd = log_fd;
    rc = csb__spawn_detached(&detached, &i->pid, err);
    if (rc != 0) {
        return rc;
    }
    csb__boot_id(boot, sizeof(boot));
    free(i->boot);
    i->boot = strdup(boot);
    if (!i->boot || csb__process_start_time(i->pid, &i->start_time) != 0) {
        return csb__fail(err, CSB_EENGINE, "QEMU ended at once");
    }
    return csb__instance_save_run(i, err);
}

/* QEMU makes its sockets in its own time. */
static int wait_qmp(struct csb__env *env, const struct csb__instance *i, struct csb__qmp *ret,
                    csb_error **err) {
    CSB__AUTOFREE char *path = csb__instance_socket(i, "qmp");
    int64_t until = csb__env_deadline(env, QMP_UP_MS);

    for (;;) {
        CSB__AUTOERROR csb_error *e = NULL;
        int rc = path ? csb__qmp_open(env, path, ret, &e) : csb__fail_nomem(&e);

        if (rc != CSB_ENOTFOUND) {
            return rc == 0 ? 0 : csb__error_propagate(err, CSB__STEAL(e));
        }
        if (!csb__qemu_alive(i)) {
            return csb__fail(err, CSB_EENGINE, "QEMU ended at once");
        }
        rc = csb__env_wait(env, 5, "waiting for QEMU", err);
        if (rc != 0) {
            return rc;
        }
        if (csb__now_ms() > until) {
            return csb__fail(err, CSB_ETIMEOUT, "QEMU does not open its control socket");
        }
    }
}

/* "TCP[HOST_FORWARD]  14  127.0.0.1  37021  10.0.2.15  22  0  0" of HMP's info usernet. */
static int parse_port(const char *text) {
    const char *row = text ? strstr(text, "TCP[HOST_FORWARD]") : NULL;
    int port = 0;

    if (!row || sscanf(row, "TCP[HOST_FORWARD] %*d %*s %d", &port) != 1 || port > 65535) {
        return 0;
    }
    return port;
}

static int read_port(struct csb__qmp *q, int *ret, csb_error **err) {
    CSB__AUTOJSON *answer = NULL;
    int rc = csb__qmp_execute(q, "human-monitor-command",
                              json_pack("{s:s}", "command-line", "info usernet"), &answer, err);

    if (rc != 0) {
        return rc;
    }
    *ret = parse_port(json_string_value(answer));
    return *ret ? 0 : csb__fail(err, CSB_EPROTOCOL, "QEMU does not say which port ssh has");
}

/* Everything a paused machine needs before it may run. */
static int prepare(struct csb__env *env, struct csb__instance *i, const struct csb__spec *spec,
                   csb_error **err) {
    CSB__AUTOQMP q = {0};
    char user[33];
    int rc = wait_qmp(env, i, &q, err);

    for (size_t m = 0; rc == 0 && m < spec->n_mounts; m++) {
        rc = csb__qmp_execute(&q, "device_add", csb__qemu_share_device(m), NULL, err);
        if (rc != 0) {
            csb__error_prepend(err, "sharing %s", spec->mounts[m].host_path);
        }
    }
    if (rc == 0) {
        rc = read_port(&q, &i->ssh_port, err);
    }
    if (rc == 0) {
        rc = csb__instance_save_run(i, err);
    }
    if (rc == 0) {
        csb__guest_user(user, sizeof(user));
        rc = csb__keys_write_config(i, user, err);
    }
    return rc == 0 ? csb__qmp_execute(&q, "cont", NULL, NULL, err) : rc;
}

static void remove_sockets(const struct csb__instance *i) {
    static const char *const names[] = {"qmp", "control", "ssh"};

    for (int n = 0; n < 3; n++) {
        CSB__AUTOFREE char *path = csb__instance_socket(i, names[n]);

        if (path) {
            unlink(path);
        }
    }
}

/* Its log must not pass for the next one's. */
static void forget_last_run(const struct csb__instance *i) {
    CSB__AUTOFREE char *log = csb__instance_path(i, "qemu.log");

    if (log) {
        unlink(log);
    }
    remove_sockets(i);
}

int csb__machine_start(struct csb__env *env, struct csb__instance *i, const struct csb__spec *spec,
                       csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOIMAGE image = {0};
    int rc;

    forget_last_run(i);
    rc = csb__image_load(i->image, &image, err);
    if (rc == 0) {
        rc = csb__mkdirs(i->run_dir, err);
    }
    if (rc == 0) {
        rc = csb__identity_write(i, spec, err);
    }
    if (rc != 0) {
        return rc;
    }
    i->ready = false;
    rc = launch(env, i, spec, &image, &e);
    if (rc == 0) {
        rc = prepare(env, i, spec, &e);
    }
    if (rc == 0) {
        rc = csb__control_wait_ready(env, i, &e);
    }
    if (rc == 0) {
        i->ready = true;
        rc = csb__instance_save_run(i, &e);
    }
    if (rc != 0) {
        CSB__AUTOSTRBUF console = CSB__STRBUF_INIT;
        int64_t saved = csb__env_shield(env, SHUTDOWN_MS);

        csb__machine_console(env, i, &console);
        csb__error_set_child(&e, -1, csb__strbuf_text(&console), console.len);
        (void)csb__qemu_kill(env, i, NULL);
        csb__env_unshield(env, saved);
        return csb__error_propagate(err, CSB__STEAL(e));
    }
    return 0;
}

int csb__machine_resume(struct csb__env *env, const struct csb__instance *i, csb_error **err) {
    CSB__AUTOFREE char *path = csb__instance_socket(i, "qmp");
    CSB__AUTOJSON *answer = NULL;
    CSB__AUTOQMP q = {0};
    int rc = path ? csb__qmp_open(env, path, &q, err) : csb__fail_nomem(err);

    if (rc == 0) {
        rc = csb__qmp_execute(&q, "query-status", NULL, &answer, err);
    }
    if (rc != 0 || strcmp(csb__json_string(answer, "status", ""), "running") == 0) {
        return rc;
    }
    csb__log(env, CSB_LOG_INFO, "%s was paused (%s): resuming it", i->name,
             csb__json_string(answer, "status", "?"));
    return csb__qmp_execute(&q, "cont", NULL, NULL, err);
}

/* The guest is asked; one that does not hear or end has its plug pulled, unless the caller has had
 * enough. */
static int shut_down(struct csb__env *env, const struct csb__instance *i, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    int rc = csb__control_poweroff(env, i, &e);

    if (rc == 0) {
        rc = csb__qemu_wait_end(env, i, SHUTDOWN_MS, &e);
    }
    if (rc == CSB_ECANCELED) {
        return csb__error_propagate(err, CSB__STEAL(e));
    }
    return rc == 0 ? 0 : csb__env_check(env, "stopping the VM", err);
}

int csb__machine_stop(struct csb__env *env, const struct csb__instance *i, bool force,
                      csb_error **err) {
    int rc;

    if (!csb__qemu_alive(i)) {
        return 0;
    }
    rc = force ? 0 : shut_down(env, i, err);
    if (rc == 0) {
        rc = csb__qemu_kill(env, i, err); /* of what is left, if anything is */
    }
    if (rc == 0) {
        remove_sockets(i);
    }
    return rc;
}

void csb__machine_console(struct csb__env *env, const struct csb__instance *i,
                          struct csb__strbuf *out) {
    CSB__AUTOFREE char *log = csb__instance_path(i, "qemu.log");
    CSB__AUTOFREE char *path = csb__instance_socket(i, "qmp");
    CSB__AUTOJSON *answer = NULL;
    CSB__AUTOQMP q = {0};

    if (log) {
        csb__read_tail(log, 2048, out);
    }
    if (path && csb__qemu_alive(i) && csb__qmp_open(env, path, &q, NULL) == 0 &&
        csb__qmp_execute(&q, "ringbuf-read",
                         json_pack("{s:s, s:i}", "device", "console", "size", 65536), &answer,
                         NULL) == 0 &&
        json_is_string(answer)) {
        csb__strbuf_puts(out, json_string_value(answer));
        csb__strbuf_keep_tail(out, CONSOLE_MAX);
    }
}
