/* SPDX-License-Identifier: MIT */
#include "engine/qemu/warm_make.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/json.h"
#include "core/path.h"
#include "core/posix.h"
#include "engine/qemu/control.h"
#include "engine/qemu/disk.h"
#include "engine/qemu/identity.h"
#include "engine/qemu/keys.h"
#include "engine/qemu/machine.h"
#include "engine/qemu/process.h"
#include "engine/qemu/qmp.h"
#include "engine/qemu/wake.h"
#include "engine/qemu/warm_key.h"
#include "model/vm_name.h"

/* What the guest keeps free while the rest of its free memory is taken and given back: that way what
 * was used once and is not any more becomes holes. */
#define MARGIN_KIB 65536
#define SQUEEZE_MS 60000
#define UNDO_MS 30000
#define MAKE_MS (5 * 60 * 1000)
#define RETRY_S 3600

/* The balloon's size, in bytes of what is left to the guest, until it is there. */
static int squeeze(struct csb__env *env, struct csb__qmp *q, uint64_t bytes, csb_error **err) {
    int64_t until = csb__env_deadline(env, SQUEEZE_MS);
    int rc = csb__qmp_execute(q, "balloon", json_pack("{s:I}", "value", (json_int_t)bytes), NULL,
                              err);

    while (rc == 0) {
        CSB__AUTOJSON *answer = NULL;
        int64_t actual;

        rc = csb__qmp_execute(q, "query-balloon", NULL, &answer, err);
        actual = rc == 0 ? csb__json_int(answer, "actual", 0) : 0;
        if (rc != 0 || (uint64_t)actual == bytes) {
            return rc;
        }
        if (csb__now_ms() > until) {
            return csb__fail(err, CSB_ETIMEOUT, "the guest does not give its free memory back");
        }
        rc = csb__env_wait(env, 20, "making a warm template", err);
    }
    return rc;
}

/* Pages that were used and are free now still say what they said. */
static int shrink(struct csb__env *env, const struct csb__instance *i, csb_error **err) {
    CSB__AUTOFREE char *path = csb__instance_socket(i, "qmp");
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTOQMP q = {0};
    uint64_t free_kib;
    int rc = csb__control_say(env, i, "free-memory", "", &text, err);

    free_kib = strtoull(csb__strbuf_text(&text), NULL, 10);
    if (rc != 0 || free_kib <= MARGIN_KIB || free_kib << 10 >= i->memory) {
        return rc;
    }
    rc = path ? csb__qmp_open(env, path, &q, err) : csb__fail_nomem(err);
    if (rc == 0) {
        rc = squeeze(env, &q, (i->memory - ((free_kib - MARGIN_KIB) << 10)) >> 20 << 20, err);
    }
    return rc == 0 ? squeeze(env, &q, i->memory, err) : rc;
}

/* Somebody who knows what a session needs does it once over ssh. */
static int warm_up(struct csb__env *env, const struct csb__instance *i,
                   const struct csb__source *source, csb_error **err) {
    struct csb__machine m = {0};
    int rc = csb__keys_door(i, &m.door, err);

    if (rc == 0) {
        rc = source->warm_up(env, &m.door, err);
    }
    csb__machine_finish(&m);
    return rc;
}

static int boot_and_keep(struct csb__env *env, struct csb__instance *i,
                         const struct csb__source *source, csb_error **err) {
    struct csb__spec spec = {.name = i->name};
    int rc = csb__machine_start(env, i, &spec, err);

    if (rc == 0) {
        csb__progress(env, 0, 0, "warming it up");
        rc = warm_up(env, i, source, err);
    }
    if (rc == 0) {
        rc = csb__control_say(env, i, "forget", "", NULL, err);
    }
    if (rc == 0) {
        csb__progress(env, 0, 0, "keeping it");
        rc = shrink(env, i, err);
    }
    if (rc == 0) {
        rc = csb__machine_keep(env, i, i->dir, err);
    }
    return rc == 0 ? csb__machine_end_kept(env, i, err) : rc;
}

/* A machine like others, that has no record and is thrown away but for what was kept. */
static int make_instance(struct csb__env *env, const struct csb__instance *like,
                         const struct csb__image *image, const struct csb__instance *base,
                         const char *dir, struct csb__instance *ret, csb_error **err) {
    char digits[9];

    csb__hash8(dir, digits);
    ret->name = strdup(CSB__WARM_NAME);
    ret->dir = strdup(dir);
    ret->image = strdup(image->dir);
    ret->warm = strdup(base ? base->warm : ""); /* on which its disk lies then, too */
    ret->warm_of = strdup(like->warm_of);
    ret->cpus = like->cpus;
    ret->memory = like->memory;
    ret->disk = base ? base->disk : CSB__WARM_DISK;
    if (asprintf(&ret->run_dir, "%s/run/%s", env->state_dir, digits) < 0) {
        ret->run_dir = NULL;
    }
    return ret->name && ret->dir && ret->image && ret->warm && ret->warm_of && ret->run_dir
               ? 0
               : csb__fail_nomem(err);
}

/* What only a machine needs. */
static void strip(const struct csb__instance *i) {
    static const char *const names[] = {"fw_cfg",       "user_key",    "user_key.pub", "host_key",
                                        "host_key.pub", "known_hosts", "ssh.config",   "machine-id",
                                        "qemu.log",     "run.json",    "pid",          NULL};

    for (int n = 0; names[n]; n++) {
        CSB__AUTOFREE char *path = csb__instance_path(i, names[n]);

        if (path) {
            (void)csb__remove_tree(path, NULL);
        }
    }
    (void)csb__remove_tree(i->run_dir, NULL);
}

static int make_files(struct csb__env *env, struct csb__instance *i, const struct csb__image *image,
                      const struct csb__instance *base, csb_error **err) {
    int rc = csb__mkdirs(i->dir, err);

    if (rc == 0) {
        rc = csb__identity_make(env, i, err);
    }
    if (rc == 0) {
        rc = base ? csb__disk_copy(env, base, i, err)
                  : csb__disk_overlay(env, i, image->root, "raw", err);
    }
    return rc == 0 ? csb__instance_save_config(i, err) : rc;
}

static int make(struct csb__env *env, const struct csb__instance *like,
                const struct csb__image *image, const struct csb__instance *base,
                const struct csb__source *source, const char *place, csb_error **err) {
    CSB__AUTOINSTANCE i = {0};
    CSB__AUTOFREE char *dir = NULL;
    int rc;

    if (asprintf(&dir, "%s.tmp", place) < 0) {
        dir = NULL;
        return csb__fail_nomem(err);
    }
    rc = make_instance(env, like, image, base, dir, &i, err);
    if (rc == 0) {
        csb__qemu_adopt(env, &i); /* of one who died over it */
        rc = csb__qemu_kill(env, &i, err);
    }
    if (rc == 0) {
        rc = csb__remove_tree(dir, err);
    }
    if (rc == 0) {
        rc = make_files(env, &i, image, base, err);
    }
    if (rc == 0) {
        rc = boot_and_keep(env, &i, source, err);
    }
    if (rc == 0) {
        strip(&i);
        rc = rename(dir, place) == 0 ? 0 : csb__fail_errno(err, errno, "can't make %s", place);
    }
    if (rc != 0) {
        int64_t saved = csb__env_shield(env, UNDO_MS);

        (void)csb__qemu_kill(env, &i, NULL);
        (void)csb__remove_tree(i.run_dir, NULL);
        (void)csb__remove_tree(dir, NULL);
        csb__env_unshield(env, saved);
    }
    return rc;
}

/* ---- one that can't be made ------------------------------------------------------------------- */

/* Why, for those who come within the next hour: each would wait for it in vain. */
static int read_failure(const char *path, csb_error **err) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    struct stat st;

    if (stat(path, &st) != 0 || time(NULL) - st.st_mtime > RETRY_S ||
        csb__read_file(path, 8192, &text) != 0) {
        return 0;
    }
    return csb__fail(err, CSB_EENGINE, "%s (within the last hour)", csb__strbuf_text(&text));
}

static bool is_callers(struct csb__env *env, int code) {
    return code == CSB_ECANCELED || code == CSB_ENOMEM ||
           csb__env_check(env, "making a warm template", NULL) != 0;
}

/* With a limit of its own: a guest that does not come up must not keep a machine from booting. */
int csb__warm_make(struct csb__env *env, const struct csb__instance *like,
                   const struct csb__image *image, const struct csb__instance *base,
                   const struct csb__source *source, const char *dir, csb_error **err) {
    CSB__AUTOFREE char *note = NULL;
    CSB__AUTOERROR csb_error *e = NULL;
    int64_t saved = env->deadline;
    int rc;

    if (asprintf(&note, "%s.failed", dir) < 0) {
        note = NULL;
        return csb__fail_nomem(err);
    }
    rc = read_failure(note, err);
    if (rc != 0) {
        return rc;
    }
    csb__progress(env, 0, 0, "booting a template for VMs of this size, once");
    env->deadline = csb__env_deadline(env, MAKE_MS);
    rc = make(env, like, image, base, source, dir, &e);
    env->deadline = saved;
    if (rc == 0) {
        (void)unlink(note);
        return 0;
    }
    if (!is_callers(env, rc)) {
        const char *why = csb_error_message(e);

        (void)csb__write_file(note, why, strlen(why), 0600, NULL);
        return csb__fail(err, CSB_EENGINE, "%s", why);
    }
    return csb__error_propagate(err, CSB__STEAL(e));
}
