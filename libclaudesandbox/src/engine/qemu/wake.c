/* SPDX-License-Identifier: MIT */
#include "engine/qemu/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/json.h"
#include "core/path.h"
#include "core/posix.h"
#include "engine/qemu/args.h"
#include "engine/qemu/control.h"
#include "engine/qemu/launch.h"
#include "engine/qemu/process.h"
#include "engine/qemu/ram.h"
#include "engine/qemu/virtiofs.h"

/* The state of the devices is half a megabyte: memory is not part of it. */
#define MOVE_MS 30000
#define END_MS 10000
#define RUN_MS 60000
#define STATE_FD "state"
#define SEED_DIGITS 64

/* ---- both ways -------------------------------------------------------------------------------- */

/* Memory that is a shared file is not moved: QEMU's x-ignore-shared. */
static int leave_memory_out(struct csb__qmp *q, csb_error **err) {
    json_t *on = json_pack("{s:[{s:s, s:b}]}", "capabilities", "capability", "x-ignore-shared",
                           "state", 1);

    return csb__qmp_execute(q, "migrate-set-capabilities", on, NULL, err);
}

/* Until QEMU says that it has taken the state, or given it. */
static int wait_moved(struct csb__env *env, struct csb__qmp *q, csb_error **err) {
    int64_t until = csb__env_deadline(env, MOVE_MS);

    for (;;) {
        CSB__AUTOJSON *answer = NULL;
        int rc = csb__qmp_execute(q, "query-migrate", NULL, &answer, err);
        const char *status = rc == 0 ? csb__json_string(answer, "status", "") : "";

        if (rc != 0 || strcmp(status, "completed") == 0) {
            return rc;
        }
        if (strcmp(status, "failed") == 0) {
            return csb__fail(err, CSB_EENGINE, "QEMU could not move the VM's state: %s",
                             csb__json_string(answer, "error-desc", "no reason given"));
        }
        if (csb__now_ms() > until) {
            return csb__fail(err, CSB_ETIMEOUT, "QEMU does not move the VM's state");
        }
        rc = csb__env_wait(env, 2, "moving the VM's state", err);
        if (rc != 0) {
            return rc;
        }
    }
}

static int move(struct csb__env *env, struct csb__qmp *q, const char *command, const char *path,
                int flags, csb_error **err) {
    CSB__AUTOCLOSE int fd = csb__open(path, flags | O_NOFOLLOW, 0600);
    int rc = fd < 0 ? csb__fail_errno(err, errno, "can't open %s", path) : leave_memory_out(q, err);

    if (rc == 0) {
        rc = csb__qmp_give_fd(q, STATE_FD, fd, err);
    }
    if (rc == 0) {
        rc = csb__qmp_execute(q, command, json_pack("{s:s}", "uri", "fd:" STATE_FD), NULL, err);
    }
    return rc == 0 ? wait_moved(env, q, err) : rc;
}

void csb__machine_forget(const char *dir) {
    static const char *const names[] = {"ram", "state"};

    for (int n = 0; n < 2; n++) {
        CSB__AUTOFREE char *path = csb__path_join(dir, names[n]);

        if (path) {
            (void)unlink(path);
        }
    }
}

/* ---- keeping ---------------------------------------------------------------------------------- */

static int keep_paused(struct csb__env *env, struct csb__qmp *q, int ram_fd, uint64_t bytes,
                       const char *dir, csb_error **err) {
    CSB__AUTOFREE char *state = csb__path_join(dir, "state");
    CSB__AUTOFREE char *ram = csb__path_join(dir, "ram");
    int rc = state && ram ? 0 : csb__fail_nomem(err);

    csb__machine_forget(dir);
    if (rc == 0) {
        rc = move(env, q, "migrate", state, O_WRONLY | O_CREAT | O_EXCL, err);
    }
    return rc == 0 ? csb__ram_save(env, ram_fd, bytes, ram, err) : rc;
}

int csb__machine_keep(struct csb__env *env, const struct csb__instance *i, const char *dir,
                      csb_error **err) {
    CSB__AUTOFREE char *path = csb__instance_socket(i, "qmp");
    CSB__AUTOCLOSE int ram_fd = -1;
    CSB__AUTOQMP q = {0};
    int rc = csb__ram_of(i->pid, &ram_fd, err);

    if (rc == 0) {
        rc = path ? csb__qmp_open(env, path, &q, err) : csb__fail_nomem(err);
    }
    if (rc == 0) {
        rc = csb__qmp_execute(&q, "stop", NULL, NULL, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = keep_paused(env, &q, ram_fd, i->memory, dir, err);
    if (rc != 0) {
        int64_t saved = csb__env_shield(env, END_MS);

        csb__machine_forget(dir);
        (void)csb__qmp_execute(&q, "cont", NULL, NULL, NULL);
        csb__env_unshield(env, saved);
    }
    return rc;
}

int csb__machine_end_kept(struct csb__env *env, const struct csb__instance *i, csb_error **err) {
    CSB__AUTOFREE char *path = csb__instance_socket(i, "qmp");
    CSB__AUTOQMP q = {0};

    if (path && csb__qmp_open(env, path, &q, NULL) == 0) {
        (void)csb__qmp_execute(&q, "quit", NULL, NULL, NULL);
    }
    return csb__qemu_wait_end(env, i, END_MS, NULL) == 0 ? 0 : csb__qemu_kill(env, i, err);
}

/* ---- waking ----------------------------------------------------------------------------------- */

/* "put NAME VALUE" for each of the identity's files: what the guest's init takes at a boot. */
static int add_values(const struct csb__instance *i, struct csb__strv *lines, csb_error **err) {
    CSB__AUTOFREE char *dir = csb__instance_path(i, "fw_cfg");

    for (int n = 0; dir && csb__fw_cfg_names[n]; n++) {
        CSB__AUTOFREE char *path = csb__path_join(dir, csb__fw_cfg_names[n]);
        CSB__AUTOSTRBUF value = CSB__STRBUF_INIT;
        CSB__AUTOSTRBUF line = CSB__STRBUF_INIT;
        int rc = path ? csb__read_file(path, 16384, &value) : ENOMEM;

        if (rc != 0) {
            return csb__fail_errno(err, rc, "can't read %s", path ? path : dir);
        }
        csb__strbuf_printf(&line, "put %s ", csb__fw_cfg_names[n]);
        csb__qemu_encode(&line, csb__strbuf_text(&value));
        /* Shares are said one by one; a list of them may be longer than a line. */
        if (value.len > 0 && strcmp(csb__fw_cfg_names[n], "mounts") != 0) {
            csb__strv_add(lines, csb__strbuf_text(&line));
        }
        lines->failed |= line.failed;
    }
    return dir ? 0 : csb__fail_nomem(err);
}

static void add_mounts(const struct csb__instance *i, const struct csb__spec *spec,
                       struct csb__strv *lines) {
    for (size_t m = 0; m < spec->n_mounts; m++) {
        CSB__AUTOSTRBUF line = CSB__STRBUF_INIT;

        csb__strbuf_puts(&line, "mount ");
        csb__qemu_mount_line(&line, &spec->mounts[m], m, csb__virtiofs_takes(i, spec, m));
        csb__strv_add(lines, csb__strbuf_text(&line));
        lines->failed |= line.failed;
    }
}

/* First the clock, which stands where it was kept, then who the guest is, then what it sees. */
static int adopt(struct csb__env *env, const struct csb__instance *i, const struct csb__spec *spec,
                 csb_error **err) {
    CSB__AUTOSTRV lines = CSB__STRV_INIT;
    char seed[SEED_DIGITS + 1];
    struct timespec now;
    int rc;

    if (csb__random_hex(seed, SEED_DIGITS) != 0 || clock_gettime(CLOCK_REALTIME, &now) != 0) {
        return csb__fail(err, CSB_ESYSTEM, "no random numbers");
    }
    csb__strv_addf(&lines, "time %lld.%09ld", (long long)now.tv_sec, now.tv_nsec);
    rc = add_values(i, &lines, err);
    if (rc != 0) {
        return rc;
    }
    csb__strv_addf(&lines, "adopt %s", seed);
    if (i->disk > i->warm_disk) {
        csb__strv_add(&lines, "grow");
    }
    add_mounts(i, spec, &lines);
    return lines.failed ? csb__fail_nomem(err) : csb__control_tell(env, i, &lines, NULL, err);
}

/* The disk may be larger than the one that the kept guest knew. */
static int resize_disk(struct csb__qmp *q, const struct csb__instance *i, csb_error **err) {
    if (i->disk <= i->warm_disk) {
        return 0;
    }
    return csb__qmp_execute(q, "block_resize",
                            json_pack("{s:s, s:I}", "device", "d0", "size", (json_int_t)i->disk),
                            NULL, err);
}

static int let_run(struct csb__qmp *q, struct csb__instance *i, const struct csb__spec *spec,
                   csb_error **err) {
    int rc = csb__launch_prepare(q, i, spec, err);

    /* From here on its disk is not what it was when its memory was kept. */
    i->fresh = false;
    i->kept = false;
    if (rc == 0) {
        rc = csb__instance_save_config(i, err);
    }
    if (rc == 0) {
        rc = csb__qmp_execute(q, "cont", NULL, NULL, err);
    }
    return rc == 0 ? resize_disk(q, i, err) : rc;
}

/* It stands still then, and is nobody yet. */
static int load(struct csb__env *env, struct csb__instance *i, const struct csb__spec *spec,
                const struct csb__image *image, const char *dir, struct csb__qmp *q,
                csb_error **err) {
    CSB__AUTOFREE char *ram = csb__path_join(dir, "ram");
    CSB__AUTOFREE char *state = csb__path_join(dir, "state");
    CSB__AUTOCLOSE int ram_fd = -1;
    int rc = ram && state ? csb__ram_new(i->memory, &ram_fd, err) : csb__fail_nomem(err);

    if (rc == 0) {
        struct csb__launch how = {.ram_fd = ram_fd, .incoming = true};

        rc = csb__launch(env, i, spec, image, &how, err);
    }
    if (rc == 0) {
        rc = csb__ram_load(env, ram, ram_fd, i->memory, err); /* while QEMU comes up */
    }
    if (rc == 0) {
        rc = csb__launch_wait(env, i, q, err);
    }
    return rc == 0 ? move(env, q, "migrate-incoming", state, O_RDONLY, err) : rc;
}

int csb__machine_wake(struct csb__env *env, struct csb__instance *i, const struct csb__spec *spec,
                      const struct csb__image *image, const char *dir, csb_error **err) {
    CSB__AUTOQMP q = {0};
    bool last_copy = i->kept;
    int64_t saved = 0;
    int rc = load(env, i, spec, image, dir, &q, err);

    if (rc != 0) {
        return rc;
    }
    /* What was kept of it can't be used again once it has run: who cancels this waits for it. */
    if (last_copy) {
        saved = csb__env_shield(env, RUN_MS);
    }
    rc = let_run(&q, i, spec, err);
    if (rc == 0) {
        rc = adopt(env, i, spec, err);
    }
    if (last_copy) {
        csb__env_unshield(env, saved);
    }
    return rc;
}
