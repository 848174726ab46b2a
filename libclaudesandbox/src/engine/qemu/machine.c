/* SPDX-License-Identifier: MIT */
#include "engine/qemu/machine.h"

#include <string.h>
#include <unistd.h>

#include "core/json.h"
#include "core/path.h"
#include "core/posix.h"
#include "engine/qemu/control.h"
#include "engine/qemu/disk.h"
#include "engine/qemu/identity.h"
#include "engine/qemu/image.h"
#include "engine/qemu/launch.h"
#include "engine/qemu/process.h"
#include "engine/qemu/ram.h"
#include "engine/qemu/virtiofs.h"
#include "engine/qemu/wake.h"
#include "engine/qemu/warm_key.h"

#define SHUTDOWN_MS 30000
#define CONSOLE_MAX 6000

static void remove_sockets(const struct csb__instance *i) {
    static const char *const names[] = {"qmp", "control", "ssh"};

    csb__virtiofs_hang_up(i);
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

static int boot(struct csb__env *env, struct csb__instance *i, const struct csb__spec *spec,
                const struct csb__image *image, csb_error **err) {
    CSB__AUTOCLOSE int ram_fd = -1;
    CSB__AUTOQMP q = {0};
    int rc = csb__ram_new(i->memory, &ram_fd, err);

    if (rc == 0) {
        struct csb__launch how = {.ram_fd = ram_fd};

        rc = csb__launch(env, i, spec, image, &how, err);
    }
    if (rc == 0) {
        rc = csb__launch_wait(env, i, &q, err);
    }
    if (rc == 0) {
        rc = csb__launch_prepare(&q, i, spec, err);
    }
    if (rc == 0 && i->fresh) {
        i->fresh = false;
        rc = csb__instance_save_config(i, err);
    }
    if (rc == 0) {
        rc = csb__qmp_execute(&q, "cont", NULL, NULL, err);
    }
    return rc == 0 ? csb__control_wait_ready(env, i, err) : rc;
}

/* Ends what did not come up, and keeps what it had to say. */
static void give_up(struct csb__env *env, const struct csb__instance *i, csb_error **err) {
    CSB__AUTOSTRBUF console = CSB__STRBUF_INIT;
    int64_t saved = csb__env_shield(env, SHUTDOWN_MS);

    csb__machine_console(env, i, &console);
    csb__error_set_child(err, -1, csb__strbuf_text(&console), console.len);
    (void)csb__qemu_kill(env, i, NULL);
    csb__virtiofs_hang_up(i);
    csb__env_unshield(env, saved);
}

/* In its log, as "load of migration failed". One that was killed says nothing. */
static bool qemu_says(const struct csb__instance *i, const char *what) {
    CSB__AUTOFREE char *path = csb__instance_path(i, "qemu.log");
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;

    if (path) {
        csb__read_tail(path, CONSOLE_MAX, &text);
    }
    return strstr(csb__strbuf_text(&text), what);
}

/* A machine that never ran is woken from its template, or boots where that can't be. */
static int wake_or_boot(struct csb__env *env, struct csb__instance *i, const struct csb__spec *spec,
                        const struct csb__image *image, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    bool is_bad;
    int rc;

    if (!csb__warm_is_current(env, i, image, i->warm)) {
        csb__log(env, CSB_LOG_INFO, "booting: the warm template is for another size or QEMU");
        return boot(env, i, spec, image, err);
    }
    rc = csb__machine_wake(env, i, spec, image, i->warm, &e);
    if (rc == 0 || rc == CSB_ECANCELED) {
        return rc == 0 ? 0 : csb__error_propagate(err, CSB__STEAL(e));
    }
    csb__log(env, CSB_LOG_INFO, "booting, since waking failed: %s", csb_error_message(e));
    is_bad = rc == CSB_EPROTOCOL || qemu_says(i, "migration");
    give_up(env, i, &e);
    csb__log(env, CSB_LOG_DEBUG, "%s", csb_error_detail(e));
    /* The next one gets another template; its disk stays for the machines that lie on it. */
    if (is_bad) {
        csb__machine_forget(i->warm);
    }
    remove_sockets(i);
    rc = csb__env_check(env, "starting the VM", err);
    return rc == 0 ? boot(env, i, spec, image, err) : rc;
}

/* Of a suspended one there is only this: where it can't be woken, what was kept stays. */
static int wake_kept(struct csb__env *env, struct csb__instance *i, const struct csb__spec *spec,
                     const struct csb__image *image, csb_error **err) {
    int rc = csb__machine_wake(env, i, spec, image, i->dir, err);

    if (rc == 0) {
        csb__machine_forget(i->dir);
        return 0;
    }
    if (i->kept && rc != CSB_ECANCELED) {
        csb__error_prepend(err, "what was kept can't go on");
        csb__error_set_hint(err, "claude-sandbox stop %s gives it up, and the next start boots",
                            i->name);
    }
    return rc;
}

static int come_up(struct csb__env *env, struct csb__instance *i, const struct csb__spec *spec,
                   const struct csb__image *image, csb_error **err) {
    int rc;

    if (i->kept) {
        rc = wake_kept(env, i, spec, image, err);
    } else if (i->fresh) {
        rc = wake_or_boot(env, i, spec, image, err);
    } else {
        rc = boot(env, i, spec, image, err);
    }
    if (rc == 0) {
        i->ready = true;
        rc = csb__instance_save_run(i, err);
    }
    return rc;
}

/* One that never came up has nothing of anybody's on its disk: the next start finds it as it was made,
 * and need not boot. */
static void make_fresh(struct csb__env *env, struct csb__instance *i) {
    CSB__AUTOFREE char *below = csb__path_join(i->warm, "disk.qcow2");
    CSB__AUTOFREE char *state = csb__path_join(i->warm, "state");
    int64_t saved = csb__env_shield(env, SHUTDOWN_MS);

    if (below && state && access(state, F_OK) == 0 && !csb__qemu_alive(i) &&
        csb__disk_renew(env, i, below, NULL) == 0) {
        i->fresh = true;
        (void)csb__instance_save_config(i, NULL);
    }
    csb__env_unshield(env, saved);
}

int csb__machine_start(struct csb__env *env, struct csb__instance *i, const struct csb__spec *spec,
                       csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTOIMAGE image = {0};
    bool was_fresh = i->fresh;
    int rc;

    forget_last_run(i);
    csb__virtiofs_settle(env, i); /* of a run that nobody has stopped */
    i->virtiofs = csb__virtiofs_usable(env, spec->project_dir);
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
    rc = come_up(env, i, spec, &image, &e);
    if (rc != 0) {
        give_up(env, i, &e);
        if (was_fresh && !i->fresh) {
            make_fresh(env, i);
        }
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

int csb__machine_stop(struct csb__env *env, struct csb__instance *i, bool force, csb_error **err) {
    int rc;

    if (!csb__qemu_alive(i)) {
        csb__virtiofs_settle(env, i);
        return 0;
    }
    rc = force ? 0 : shut_down(env, i, err);
    if (rc == 0) {
        rc = csb__qemu_kill(env, i, err); /* of what is left, if anything is */
    }
    if (rc == 0) {
        remove_sockets(i);
        csb__virtiofs_settle(env, i);
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
