/* SPDX-License-Identifier: MIT */
#include "engine/qemu/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/json.h"
#include "core/posix.h"
#include "core/process.h"
#include "engine/qemu/args.h"
#include "engine/qemu/identity.h"
#include "engine/qemu/keys.h"
#include "engine/qemu/kvm_probe.h"
#include "engine/qemu/process.h"
#include "engine/qemu/virtiofs.h"

#define QMP_UP_MS 15000

const char csb__qemu_program[] = "qemu-system-x86_64";

int csb__launch_argv(struct csb__env *env, const struct csb__instance *i,
                     const struct csb__spec *spec, const struct csb__image *image,
                     const struct csb__launch *how, struct csb__strv *argv, csb_error **err) {
    char mac[18];
    bool virtiofs[CSB__MOUNTS_MAX] = {false};
    struct csb__qemu_args args = {.program = csb__qemu_program,
                                  .name = i->name,
                                  .dir = i->dir,
                                  .run_dir = i->run_dir,
                                  .kernel = image->kernel,
                                  .initrd = image->initrd,
                                  .kernel_args = image->kernel_args,
                                  .cpus = i->cpus,
                                  .memory = i->memory,
                                  .ram_fd = how->ram_fd,
                                  .incoming = how->incoming,
                                  .mac = mac,
                                  .virtiofs = virtiofs};
    const char *why;

    for (size_t m = 0; m < spec->n_mounts; m++) {
        virtiofs[m] = csb__virtiofs_takes(i, spec, m);
    }
    csb__qemu_mac(i->name, mac);
    args.kvm = csb__kvm_usable(env, &why);
    csb__log(env, CSB_LOG_DEBUG, "%s: %s", args.kvm ? "kvm" : "tcg", why);
    csb__qemu_argv(argv, &args, spec);
    return argv->failed ? csb__fail_nomem(err) : 0;
}

static int start_qemu(struct csb__env *env, struct csb__instance *i, const struct csb__spec *spec,
                      const struct csb__image *image, const struct csb__launch *how,
                      csb_error **err) {
    CSB__AUTOSTRV argv = CSB__STRV_INIT;
    CSB__AUTOFREE char *log = csb__instance_path(i, "qemu.log");
    CSB__AUTOCLOSE int log_fd = -1;
    struct csb__detached detached = {.keep_fds = &how->ram_fd, .n_keep = 1};
    char boot[64];
    int rc = csb__launch_argv(env, i, spec, image, how, &argv, err);

    if (rc != 0) {
        return rc;
    }
    if (!log) {
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

/* Written down together with the process. */
static int lend(struct csb__instance *i, const char *dir, csb_error **err) {
    free(i->lent);
    i->lent = strdup(dir);
    i->lent_at = (int64_t)time(NULL);
    return i->lent ? 0 : csb__fail_nomem(err);
}

/* QEMU connects to the sockets as it starts, so who serves them is sure to be ended by its end. */
int csb__launch(struct csb__env *env, struct csb__instance *i, const struct csb__spec *spec,
                const struct csb__image *image, const struct csb__launch *how, csb_error **err) {
    int fds[CSB__MOUNTS_MAX];
    int rc;

    for (size_t m = 0; m < CSB__MOUNTS_MAX; m++) {
        fds[m] = -1;
    }
    rc = csb__virtiofs_listen(i, spec, fds, err);
    for (size_t m = 0; rc == 0 && m < spec->n_mounts; m++) {
        rc = fds[m] >= 0 ? lend(i, spec->mounts[m].host_path, err) : 0;
    }
    if (rc == 0) {
        rc = start_qemu(env, i, spec, image, how, err);
    }
    if (rc == 0) {
        rc = csb__virtiofs_serve(spec, fds, err);
    }
    for (size_t m = 0; m < spec->n_mounts; m++) {
        csb__fd_close(&fds[m]);
    }
    return rc;
}

/* QEMU makes its sockets in its own time. */
int csb__launch_wait(struct csb__env *env, const struct csb__instance *i, struct csb__qmp *ret,
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

int csb__launch_prepare(struct csb__qmp *q, struct csb__instance *i, const struct csb__spec *spec,
                        csb_error **err) {
    char user[33];
    int rc = 0;

    for (size_t m = 0; rc == 0 && m < spec->n_mounts; m++) {
        rc = csb__qmp_execute(
            q, "device_add", csb__qemu_share_device(m, csb__virtiofs_takes(i, spec, m)), NULL, err);
        if (rc != 0) {
            csb__error_prepend(err, "sharing %s", spec->mounts[m].host_path);
        }
    }
    if (rc == 0) {
        rc = read_port(q, &i->ssh_port, err);
    }
    if (rc == 0) {
        rc = csb__instance_save_run(i, err);
    }
    if (rc == 0) {
        csb__guest_user(user, sizeof(user));
        rc = csb__keys_write_config(i, user, err);
    }
    return rc;
}
