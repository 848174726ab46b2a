/* SPDX-License-Identifier: MIT */
#include "engine/qemu/warm_key.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <claudesandbox/version.h>

#include "core/posix.h"
#include "core/process.h"
#include "engine/qemu/kvm_probe.h"
#include "engine/qemu/launch.h"
#include "model/vm_name.h"

/* To be counted up when what a template holds changes without its key noticing. */
#define FORMAT 1

/* QEMU's version, by its program: asking it would take longer than all the rest. */
static void add_program(struct csb__strbuf *out) {
    CSB__AUTOFREE char *path = csb__find_program(csb__qemu_program);
    struct stat st = {0};

    if (path) {
        (void)stat(path, &st);
    }
    csb__strbuf_printf(out, "%s %lld %lld\n", path ? path : "", (long long)st.st_size,
                       (long long)st.st_mtime);
}

/* With KVM the guest sees this processor. */
static void add_processor(struct csb__strbuf *out) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    const char *end;

    (void)csb__read_file("/proc/cpuinfo", (size_t)1 << 20, &text);
    end = strstr(csb__strbuf_text(&text), "\n\n");
    csb__strbuf_printf(out, "%.*s\n", end ? (int)(end - text.data) : 0, csb__strbuf_text(&text));
}

/* All of QEMU's words, with the same names in place of a machine's own. The image is told by its name,
 * which is a hash of what is in it. */
static int add_words(struct csb__env *env, const struct csb__instance *i,
                     const struct csb__image *image, struct csb__strbuf *out, csb_error **err) {
    struct csb__instance nobody = {.name = (char *)CSB__WARM_NAME,
                                   .dir = (char *)"/",
                                   .run_dir = (char *)"/",
                                   .cpus = i->cpus,
                                   .memory = i->memory};
    const struct csb__image anywhere = {
        .kernel = (char *)"kernel", .initrd = (char *)"initrd", .kernel_args = image->kernel_args};
    const char *name = strrchr(image->dir, '/');
    const struct csb__spec nothing = {0};
    const struct csb__launch how = {.ram_fd = 0};
    CSB__AUTOSTRV argv = CSB__STRV_INIT;
    int rc = csb__launch_argv(env, &nobody, &nothing, &anywhere, &how, &argv, err);

    csb__strbuf_printf(out, "%s\n", name ? name + 1 : image->dir);

    for (size_t n = 0; rc == 0 && n < argv.len; n++) {
        csb__strbuf_printf(out, "%s\n", argv.items[n]);
    }
    return rc;
}

/* The very file that a template's disk lies on: an image that was removed and made again has the same
 * name, and not the same blocks. */
static void add_root(struct csb__strbuf *out, const struct csb__image *image) {
    struct stat st = {0};

    (void)stat(image->root, &st);
    csb__strbuf_printf(out, "%llu %lld.%09ld\n", (unsigned long long)st.st_ino,
                       (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

int csb__warm_key(struct csb__env *env, const struct csb__instance *i,
                  const struct csb__image *image, char key[17], csb_error **err) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    const char *why;
    int rc;

    csb__strbuf_printf(&text, "%d %s\n", FORMAT, CSB_VERSION_STRING);
    add_program(&text);
    if (csb__kvm_usable(env, &why)) {
        add_processor(&text);
    }
    csb__strbuf_printf(&text, "%s\n", i->warm_of ? i->warm_of : "");
    add_root(&text, image);
    rc = add_words(env, i, image, &text, err);
    if (rc == 0 && text.failed) {
        rc = csb__fail_nomem(err);
    }
    if (rc == 0) {
        csb__hash16(csb__strbuf_text(&text), key);
    }
    return rc;
}

bool csb__warm_is_current(struct csb__env *env, const struct csb__instance *i,
                          const struct csb__image *image, const char *dir) {
    const char *slash = strrchr(dir, '/');
    char key[17];

    return slash && csb__warm_key(env, i, image, key, NULL) == 0 &&
           strncmp(slash + 1, key, 16) == 0 && strchr(".", slash[1 + 16]);
}
