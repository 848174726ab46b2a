/* SPDX-License-Identifier: MIT */
/* QEMU can't keep a machine that has a directory of the host mounted, be it by 9p or by virtiofs. So
 * the guest lets go of all of them, the devices are pulled out, and waking plugs in new ones. */
#include "engine/qemu/suspend.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "core/json.h"
#include "core/posix.h"
#include "engine/qemu/args.h"
#include "engine/qemu/control.h"
#include "engine/qemu/machine.h"
#include "engine/qemu/qmp.h"
#include "engine/qemu/ram.h"
#include "engine/qemu/virtiofs.h"
#include "engine/qemu/wake.h"

#define UNPLUG_MS 15000
#define UNDO_MS 30000
/* As long as gigabytes take on a slow disk. */
#define KEEP_MS (15 * 60 * 1000)
#define ROOM_TO_SPARE ((uint64_t)64 << 20)

/* What the guest was told to mount at its start: "TAG TYPE OPTIONS PATH", a line each. */
static int read_shares(const struct csb__instance *i, struct csb__strv *lines, csb_error **err) {
    CSB__AUTOFREE char *path = csb__instance_path(i, "fw_cfg/mounts");
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    char *save = NULL;
    int rc = path ? csb__read_file(path, 65536, &text) : ENOMEM;

    if (rc != 0) {
        return csb__fail_errno(err, rc, "can't read %s", path ? path : i->dir);
    }
    for (char *line = text.len ? strtok_r(text.data, "\n", &save) : NULL; line;
         line = strtok_r(NULL, "\n", &save)) {
        csb__strv_add(lines, line);
    }
    return lines->failed ? csb__fail_nomem(err) : 0;
}

/* The first n of them again; what can't be had back is the next start's to complain of. */
static void take_back(struct csb__env *env, const struct csb__instance *i,
                      const struct csb__strv *shares, size_t n) {
    int64_t saved = csb__env_shield(env, UNDO_MS);

    for (size_t s = 0; s < n; s++) {
        (void)csb__control_say(env, i, "mount", shares->items[s], NULL, NULL);
    }
    csb__env_unshield(env, saved);
}

static int fail_busy(const char *encoded, csb_error **err) {
    CSB__AUTOSTRBUF path = CSB__STRBUF_INIT;

    csb__qemu_decode(&path, encoded);
    csb__fail(err, CSB_EBUSY, "a program in the VM uses %s, which can't be kept",
              csb__strbuf_text(&path));
    csb__error_set_hint(err, "end it, or have it work elsewhere; or stop the VM without --suspend");
    return CSB_EBUSY;
}

static int let_go(struct csb__env *env, const struct csb__instance *i,
                  const struct csb__strv *shares, csb_error **err) {
    for (size_t s = 0; s < shares->len; s++) {
        const char *path = strrchr(shares->items[s], ' ');
        CSB__AUTOERROR csb_error *e = NULL;
        int rc = path ? csb__control_say(env, i, "umount", path + 1, NULL, &e) : 0;

        if (rc != 0) {
            take_back(env, i, shares, s);
            return strstr(csb_error_message(e), "busy") ? fail_busy(path + 1, err)
                                                        : csb__error_propagate(err, CSB__STEAL(e));
        }
    }
    return 0;
}

/* Whether QEMU still has a device of that name. */
static int has_device(struct csb__qmp *q, const char *id, bool *ret, csb_error **err) {
    CSB__AUTOJSON *list = NULL;
    int rc = csb__qmp_execute(q, "qom-list", json_pack("{s:s}", "path", "/machine/peripheral"),
                              &list, err);
    size_t n;
    json_t *entry;

    *ret = false;
    json_array_foreach(list, n, entry) {
        *ret |= strcmp(csb__json_string(entry, "name", ""), id) == 0;
    }
    return rc;
}

/* The guest has to agree. */
static int unplug(struct csb__env *env, struct csb__qmp *q, const char *id, csb_error **err) {
    int64_t until = csb__env_deadline(env, UNPLUG_MS);
    bool there = true;
    int rc = csb__qmp_execute(q, "device_del", json_pack("{s:s}", "id", id), NULL, err);

    while (rc == 0) {
        rc = has_device(q, id, &there, err);
        if (rc != 0 || !there) {
            return rc;
        }
        if (csb__now_ms() > until) {
            return csb__fail(err, CSB_ETIMEOUT, "the VM does not let go of %s", id);
        }
        rc = csb__env_wait(env, 10, "suspending the VM", err);
    }
    return rc;
}

static int unplug_all(struct csb__env *env, const struct csb__instance *i,
                      const struct csb__strv *shares, csb_error **err) {
    CSB__AUTOFREE char *path = csb__instance_socket(i, "qmp");
    CSB__AUTOQMP q = {0};
    int rc = path ? csb__qmp_open(env, path, &q, err) : csb__fail_nomem(err);

    for (size_t s = 0; rc == 0 && s < shares->len; s++) {
        char id[32];

        snprintf(id, sizeof(id), "%.*s", (int)strcspn(shares->items[s], " "), shares->items[s]);
        rc = unplug(env, &q, id, err);
    }
    return rc;
}

/* Before anything is taken from the guest: afterwards it would be too late to go on. */
static int check_room(const struct csb__instance *i, csb_error **err) {
    CSB__AUTOCLOSE int fd = -1;
    struct statvfs fs;
    struct stat st;
    int rc = csb__ram_of(i->pid, &fd, err);

    if (rc != 0) {
        return rc;
    }
    if (fstat(fd, &st) != 0 || statvfs(i->dir, &fs) != 0) {
        return csb__fail_errno(err, errno, "can't tell how much room there is in %s", i->dir);
    }
    if ((uint64_t)fs.f_bavail * fs.f_frsize < (uint64_t)st.st_blocks * 512 + ROOM_TO_SPARE) {
        return csb__fail_errno(err, ENOSPC, "keeping %llu MiB of memory in %s",
                               (unsigned long long)st.st_blocks * 512 >> 20, i->dir);
    }
    return 0;
}

/* Whoever finds it half done, since we were killed over it, ends it: nobody can talk to it then. */
static int note_ready(struct csb__instance *i, bool ready, csb_error **err) {
    i->ready = ready;
    return csb__instance_save_run(i, err);
}

/* From the first device that goes there is no way back but the one that leads through waking. */
static int keep(struct csb__env *env, struct csb__instance *i, const struct csb__strv *shares,
                csb_error **err) {
    int rc = unplug_all(env, i, shares, err);

    if (rc == 0) {
        rc = csb__control_say(env, i, "forget", "", NULL, err);
    }
    if (rc == 0) {
        rc = csb__machine_keep(env, i, i->dir, err);
    }
    if (rc == 0) {
        i->kept = true;
        rc = csb__instance_save_config(i, err);
    }
    return rc == 0 ? csb__machine_end_kept(env, i, err) : rc;
}

static int keep_or_stop(struct csb__env *env, struct csb__instance *i,
                        const struct csb__strv *shares, csb_error **err) {
    int64_t saved = csb__env_shield(env, KEEP_MS);
    int rc = keep(env, i, shares, err);

    if (rc != 0) {
        csb__error_prepend(err, "it was shut down, since it could not be kept");
        (void)csb__machine_stop(env, i, false, NULL);
    }
    csb__env_unshield(env, saved);
    return rc;
}

int csb__machine_suspend(struct csb__env *env, struct csb__instance *i, csb_error **err) {
    CSB__AUTOSTRV shares = CSB__STRV_INIT;
    int rc = read_shares(i, &shares, err);

    if (rc == 0) {
        rc = check_room(i, err);
    }
    if (rc == 0) {
        rc = note_ready(i, false, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = let_go(env, i, &shares, err);
    if (rc != 0) {
        (void)note_ready(i, true, NULL);
        return rc;
    }
    rc = keep_or_stop(env, i, &shares, err);
    if (rc != 0) {
        return rc;
    }
    csb__virtiofs_settle(env, i);
    return 0;
}
