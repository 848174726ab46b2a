/* SPDX-License-Identifier: MIT */
/*
 * The directory that `limactl clone` would make, as limactl 2.1 and 2.2 accept it: lima.yaml,
 * lima-version, the disk, and the kernel where the image has one apart (that is fetched only while
 * there is no disk). All else in an instance's directory is made anew by each start.
 */
#include "engine/lima/overlay.h"

#include <claudesandbox/vm.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/path.h"
#include "core/posix.h"
#include "engine/lima/config.h"
#include "engine/lima/layers.h"
#include "engine/lima/lima_proc.h"

/* Lima overlooks what begins with a dot. What a crash leaves there goes with the next copy. */
#define DRAFT ".claude-sandbox-new"

struct copy {
    const struct csb__limactl *l;
    const struct csb__spec *spec;
    const char *base;
    char *from;  /* the base's directory */
    char *draft; /* where it is made */
    char *to;
};

static void copy_finish(struct copy *c) {
    free(c->from);
    free(c->draft);
    free(c->to);
}

static int fail_unknown(const char *what, csb_error **err) {
    return csb__fail(err, CSB_ENOTSUP, "it has %s", what);
}

/* ---- what the base has ----------------------------------------------------------------------- */

/* Big and never written in place. */
static const char *const shared[] = {"kernel", "initrd", "qemu-efi-code.fd", NULL};
static const char *const copied[] = {"lima-version", "kernel.cmdline", NULL};
/* Of the base itself, of its runs, or made by each start (filenames.go). */
static const char *const left[] = {".",
                                   "..",
                                   "lima.yaml",
                                   "disk",
                                   "protected",
                                   "cloud-config.yaml",
                                   "cidata.iso",
                                   "ssh.config",
                                   "vncdisplay",
                                   "vncpassword",
                                   "driver.stderr.log",
                                   "ansible-inventory.yaml",
                                   "sock",
                                   NULL};

static bool is_among(const char *const *names, const char *name) {
    while (*names && strcmp(*names, name) != 0) {
        names++;
    }
    return *names != NULL;
}

static bool has_affixes(const char *name, const char *start, const char *end) {
    size_t len = strlen(name);

    return len >= strlen(start) + strlen(end) && strncmp(name, start, strlen(start)) == 0 &&
           strcmp(name + len - strlen(end), end) == 0;
}

static bool is_known(const char *name) {
    return is_among(shared, name) || is_among(copied, name) || is_among(left, name) ||
           has_affixes(name, "", ".pid") || has_affixes(name, "", ".sock") ||
           has_affixes(name, "", ".tmp") || has_affixes(name, "ssh.sock.", "") ||
           has_affixes(name, "ha.std", ".log") || has_affixes(name, "serial", ".log");
}

static int check_files(const struct copy *c, csb_error **err) {
    CSB__AUTOCLOSEDIR DIR *dir = opendir(c->from);
    struct dirent *entry;

    if (!dir) {
        return fail_unknown("no directory", err);
    }
    while ((entry = readdir(dir))) {
        if (!is_known(entry->d_name)) {
            return fail_unknown(entry->d_name, err);
        }
    }
    return 0;
}

static bool is_qemu(const char *vm_type) {
#ifdef __linux__
    if (*vm_type == '\0') {
        return true; /* Lima's default there */
    }
#endif
    return strcmp(vm_type, "qemu") == 0;
}

static int read_config(const struct copy *c, struct csb__strbuf *text, csb_error **err) {
    CSB__AUTOFREE char *path = csb__path_join(c->from, "lima.yaml");
    CSB__AUTOLIMACONFIG config = {.locations = CSB__STRV_INIT};
    CSB__AUTOERROR csb_error *e = NULL;
    int rc;

    if (!path) {
        return csb__fail_nomem(err);
    }
    if (csb__read_file(path, CSB__LIMA_CONFIG_MAX, text) != 0) {
        return fail_unknown("no lima.yaml that can be read", err);
    }
    rc = csb__lima_config_read(csb__strbuf_text(text), text->len, &config, &e);
    if (rc == CSB_EPROTOCOL) {
        return csb__fail(err, CSB_ENOTSUP, "%s", csb_error_message(e));
    }
    if (rc != 0) {
        return csb__error_propagate(err, CSB__STEAL(e));
    }
    if (!is_qemu(config.vm_type)) {
        return fail_unknown("another driver", err);
    }
    if (config.has_disks) {
        return fail_unknown("more disks", err);
    }
    return c->spec->disk != 0 && c->spec->disk < config.disk ? fail_unknown("a bigger disk", err)
                                                             : 0;
}

static int check_base(const struct copy *c, struct csb__strbuf *text, csb_error **err) {
    struct csb__lima_proc procs[CSB__LIMA_PROCS_MAX];
    int rc = check_files(c, err);

    if (rc == 0) {
        rc = read_config(c, text, err);
    }
    if (rc == 0 && csb__lima_procs(c->l->home, c->base, procs) != 0) {
        rc = fail_unknown("processes", err);
    }
    return rc;
}

/* ---- the copy -------------------------------------------------------------------------------- */

static int share_file(const struct copy *c, const char *name, csb_error **err) {
    CSB__AUTOFREE char *from = csb__path_join(c->from, name);
    CSB__AUTOFREE char *to = csb__path_join(c->draft, name);

    if (!from || !to) {
        return csb__fail_nomem(err);
    }
    return link(from, to) == 0 || errno == ENOENT
               ? 0
               : csb__fail(err, CSB_ENOTSUP, "can't link %s: %s", from, strerror(errno));
}

static int copy_file(const struct copy *c, const char *name, csb_error **err) {
    CSB__AUTOFREE char *from = csb__path_join(c->from, name);
    CSB__AUTOFREE char *to = csb__path_join(c->draft, name);
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    int rc = from && to ? csb__read_file(from, CSB__LIMA_CONFIG_MAX, &text) : ENOMEM;

    if (rc != 0) {
        return rc == ENOENT ? 0 : csb__fail_errno(err, rc, "can't read %s", from ? from : name);
    }
    return csb__write_file(to, csb__strbuf_text(&text), text.len, 0644, err);
}

static int write_config(const struct copy *c, const struct csb__strbuf *base, csb_error **err) {
    CSB__AUTOFREE char *path = csb__path_join(c->draft, "lima.yaml");
    CSB__AUTOFREE char *text = NULL;
    int rc = path ? csb__lima_config_edit(csb__strbuf_text(base), base->len, c->spec, &text, err)
                  : csb__fail_nomem(err);

    return rc == 0 ? csb__write_file(path, text, strlen(text), 0644, err) : rc;
}

static int fill(const struct copy *c, const struct csb__strbuf *config, csb_error **err) {
    CSB__AUTOFREE char *disk = csb__path_join(c->draft, "disk");
    struct csb__qcow2 layer;
    int rc = disk ? write_config(c, config, err) : csb__fail_nomem(err);

    for (int i = 0; shared[i] && rc == 0; i++) {
        rc = share_file(c, shared[i], err);
    }
    for (int i = 0; copied[i] && rc == 0; i++) {
        rc = copy_file(c, copied[i], err);
    }
    /* What changes the base comes last. */
    if (rc == 0) {
        rc = csb__lima_layer_of(c->l->home, c->base, c->spec->disk, &layer, err);
    }
    return rc == 0 ? csb__lima_layer_write(disk, &layer, err) : rc;
}

static int put_in_place(const struct copy *c, csb_error **err) {
    if (rename(c->draft, c->to) == 0) {
        return 0;
    }
    return errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR
               ? csb__fail(err, CSB_EEXISTS, "there is a %s", c->to)
               : csb__fail_errno(err, errno, "can't make %s", c->to);
}

static int make(const struct copy *c, csb_error **err) {
    CSB__AUTOSTRBUF config = CSB__STRBUF_INIT;
    CSB__AUTOERROR csb_error *e = NULL;
    int rc = check_base(c, &config, err);

    if (rc == 0) {
        rc = csb__remove_tree(c->draft, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = csb__mkdirs(c->draft, &e);
    if (rc == 0) {
        rc = fill(c, &config, &e);
    }
    if (rc == 0) {
        rc = put_in_place(c, &e);
    }
    if (rc != 0) {
        (void)csb__remove_tree(c->draft, NULL);
        return csb__error_propagate(err, CSB__STEAL(e));
    }
    return 0;
}

int csb__lima_overlay(const struct csb__limactl *l, const struct csb__spec *spec, const char *base,
                      csb_error **err) {
    CSB__CLEANUP(copy_finish)
    struct copy c = {l,
                     spec,
                     base,
                     csb__path_join(l->home, base),
                     csb__path_join(l->home, DRAFT),
                     csb__path_join(l->home, spec->name)};

    return c.from && c.draft && c.to ? make(&c, err) : csb__fail_nomem(err);
}
