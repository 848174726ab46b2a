/* SPDX-License-Identifier: MIT */
#include "engine/qemu/image.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/json.h"
#include "core/lock.h"
#include "core/path.h"
#include "core/posix.h"
#include "core/process.h"

int csb__image_load(const char *dir, struct csb__image *ret, csb_error **err) {
    /* By its real path: disks will lie on it for as long as they live. */
    CSB__AUTOFREE char *real = realpath(dir, NULL);
    CSB__AUTOFREE char *path = csb__path_join(real ? real : dir, "image.json");
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTOJSON *json = NULL;
    struct stat st;
    int rc = path ? csb__read_file(path, 65536, &text) : ENOMEM;

    if (rc == ENOENT) {
        return csb__fail(err, CSB_ENOTFOUND, "there is no guest image in %s", dir);
    }
    if (rc != 0) {
        return csb__fail_errno(err, rc, "can't read %s", path ? path : dir);
    }
    rc = csb__json_parse(csb__strbuf_text(&text), text.len, &json, err);
    if (rc != 0) {
        csb__error_prepend(err, "%s", path);
        return rc;
    }
    dir = real ? real : dir;
    ret->dir = strdup(dir);
    /* QEMU enters an uncompressed kernel directly (PVH), which saves two seconds. */
    ret->kernel = csb__path_existing(dir, "vmlinux");
    if (!ret->kernel) {
        ret->kernel = csb__path_existing(dir, "vmlinuz");
    }
    ret->initrd = csb__path_existing(dir, "initrd");
    ret->root = csb__path_existing(dir, "root.img");
    ret->kernel_args = strdup(csb__json_string(json, "kernel_args", ""));
    if (!ret->dir || !ret->kernel || !ret->initrd || !ret->root || !ret->kernel_args ||
        stat(ret->root, &st) != 0) {
        return csb__fail(err, CSB_EENGINE, "the guest image in %s is incomplete", dir);
    }
    ret->size = (uint64_t)st.st_size;
    return 0;
}

void csb__image_finish(struct csb__image *image) {
    free(image->dir);
    free(image->kernel);
    free(image->initrd);
    free(image->root);
    free(image->kernel_args);
    *image = (struct csb__image){0};
}

/* "phase 3/7 Installing packages" -> the caller's progress; anything else is only logged. */
static void on_line(const char *line, void *userdata) {
    struct csb__env *env = userdata;
    int step = 0;
    int steps = 0;
    int end = 0;

    if (sscanf(line, "phase %d/%d %n", &step, &steps, &end) == 2 && end > 0) {
        csb__progress(env, step, steps, line + end);
    } else {
        csb__log(env, CSB_LOG_DEBUG, "image: %s", line);
    }
}

struct recipe {
    char *script;
    char *helper;
};

static void recipe_finish(struct recipe *r) {
    free(r->script);
    free(r->helper);
}

static int find_recipe(struct csb__env *env, struct recipe *r, csb_error **err) {
    r->script = csb__path_existing(env->guest_dir, "image/build");
    r->helper = csb__env_helper(env);
    if (!r->script || !r->helper) {
        csb__fail(err, CSB_EENGINE, "the guest image's recipe is not in %s", env->guest_dir);
        csb__error_set_hint(err, "install claudesandbox, or set CLAUDE_SANDBOX_GUEST_DIR");
        return CSB_EENGINE;
    }
    return 0;
}

static int run_recipe(struct csb__env *env, const struct recipe *r, const char *flag,
                      const char *output, struct csb__run_result *result, csb_error **err) {
    const char *const argv[] = {r->script, "--helper", r->helper, flag, output, NULL};
    struct csb__run run = CSB__RUN_INIT;
    int rc;

    run.argv = argv;
    run.on_line = output ? on_line : NULL;
    run.userdata = env;
    rc = csb__run(env, &run, result, err);
    if (rc == 0 && result->status != 0) {
        const char *why = csb__strbuf_last_line(&result->errout);

        rc = csb__fail(err, CSB_EENGINE, "%s", *why ? why : "no reason given");
        csb__error_set_child(err, result->status, NULL, 0);
    }
    return rc;
}

static int recipe_hash(struct csb__env *env, const struct recipe *r, char hash[65],
                       csb_error **err) {
    CSB__AUTORESULT result = {0};
    int rc = run_recipe(env, r, "--hash", NULL, &result, err);
    size_t n = strspn(csb__strbuf_text(&result.out), "0123456789abcdef");

    if (rc == 0 && (n < 8 || n > 64)) {
        rc = csb__fail(err, CSB_EPROTOCOL, "the guest image's recipe has no hash");
    }
    if (rc == 0) {
        snprintf(hash, 65, "%.*s", (int)n, result.out.data);
    }
    return rc;
}

int csb__image_current(struct csb__env *env, char hash[65], csb_error **err) {
    CSB__CLEANUP(recipe_finish) struct recipe r = {0};
    int rc = find_recipe(env, &r, err);

    return rc == 0 ? recipe_hash(env, &r, hash, err) : rc;
}

static int build(struct csb__env *env, const struct recipe *r, const char *dir, csb_error **err) {
    CSB__AUTORESULT result = {0};
    CSB__AUTOFREE char *log = NULL;
    int rc;

    if (asprintf(&log, "%s.log", dir) < 0) {
        log = NULL;
        return csb__fail_nomem(err);
    }
    rc = run_recipe(env, r, "--output", dir, &result, err);
    if (rc == CSB_EENGINE) {
        CSB__AUTOSTRBUF tail = CSB__STRBUF_INIT;

        csb__read_tail(log, 8192, &tail);
        csb__error_set_child(err, result.status, csb__strbuf_text(&tail), tail.len);
        if (tail.len > 0) {
            csb__error_set_hint(err, "less '%s'", log);
        }
    }
    if (rc != 0) {
        csb__error_prepend(err, "building the guest image");
    }
    return rc;
}

int csb__image_ensure(struct csb__env *env, struct csb__image *ret, csb_error **err) {
    CSB__CLEANUP(recipe_finish) struct recipe r = {0};
    CSB__AUTOFREE char *images = csb__path_join(env->state_dir, "images");
    CSB__AUTOFREE char *dir = NULL;
    CSB__AUTOCLOSE int lock = -1;
    CSB__AUTOERROR csb_error *e = NULL;
    char hash[65];
    int rc = find_recipe(env, &r, err);

    if (rc == 0) {
        rc = recipe_hash(env, &r, hash, err);
    }
    if (rc == 0 && (!images || asprintf(&dir, "%s/%.16s", images, hash) < 0)) {
        dir = NULL;
        rc = csb__fail_nomem(err);
    }
    if (rc == 0) {
        rc = csb__mkdirs(images, err);
    }
    if (rc == 0) {
        rc = csb__lock(env, CSB__IMAGE_LOCK, "building the guest image", &lock, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = csb__image_load(dir, ret, &e);
    if (rc != CSB_ENOTFOUND) {
        return rc == 0 ? 0 : csb__error_propagate(err, CSB__STEAL(e));
    }
    rc = build(env, &r, dir, err);
    return rc == 0 ? csb__image_load(dir, ret, err) : rc;
}
