/* SPDX-License-Identifier: MIT */
#include "engine/qemu/identity.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/path.h"
#include "core/posix.h"
#include "engine/qemu/args.h"
#include "engine/qemu/keys.h"
#include "engine/qemu/virtiofs.h"

void csb__guest_user(char *out, size_t size) {
    static const char lower[] = "abcdefghijklmnopqrstuvwxyz_";
    struct passwd pw;
    struct passwd *found = NULL;
    char buf[4096];
    const char *name = "";

    if (getpwuid_r(geteuid(), &pw, buf, sizeof(buf), &found) == 0 && found) {
        name = pw.pw_name;
    }
    if (!*name || !strchr(lower, *name) || strlen(name) >= 32 ||
        name[strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789-")] != '\0') {
        name = "claude";
    }
    snprintf(out, size, "%s", name);
}

int csb__identity_make(struct csb__env *env, const struct csb__instance *i, csb_error **err) {
    CSB__AUTOFREE char *path = csb__instance_path(i, "machine-id");
    char id[33];
    int rc;

    if (!path) {
        return csb__fail_nomem(err);
    }
    if (csb__random_hex(id, 32) != 0) {
        return csb__fail(err, CSB_ESYSTEM, "no random numbers");
    }
    rc = csb__write_file(path, id, 32, 0600, err);
    return rc == 0 ? csb__keys_make(env, i, err) : rc;
}

static int write_fw_cfg(const struct csb__instance *i, const char *name, const char *text,
                        csb_error **err) {
    CSB__AUTOFREE char *dir = csb__instance_path(i, "fw_cfg");
    CSB__AUTOFREE char *path = dir ? csb__path_join(dir, name) : NULL;
    int rc = path ? csb__mkdirs(dir, err) : csb__fail_nomem(err);

    return rc == 0 ? csb__write_file(path, text, strlen(text), 0600, err) : rc;
}

static int copy_fw_cfg(const struct csb__instance *i, const char *name, const char *file,
                       csb_error **err) {
    CSB__AUTOFREE char *path = csb__instance_path(i, file);
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    int rc = path ? csb__read_file(path, 16384, &text) : ENOMEM;

    return rc == 0 ? write_fw_cfg(i, name, csb__strbuf_text(&text), err)
                   : csb__fail_errno(err, rc, "can't read %s", path ? path : file);
}

/* The host's zone by name, or nothing: the guest keeps UTC then. */
static void host_timezone(char *out, size_t size) {
    char link[256];
    ssize_t n = readlink("/etc/localtime", link, sizeof(link) - 1);
    const char *name;

    link[n > 0 ? n : 0] = '\0';
    name = strstr(link, "/zoneinfo/");
    snprintf(out, size, "%s", name ? name + strlen("/zoneinfo/") : "");
}

/* All that makes a booting copy of the image this machine and no other. */
int csb__identity_write(const struct csb__instance *i, const struct csb__spec *spec,
                        csb_error **err) {
    CSB__AUTOSTRBUF mounts = CSB__STRBUF_INIT;
    char user[33];
    char account[128];
    char zone[128];
    char mac[18];
    int rc;

    csb__guest_user(user, sizeof(user));
    snprintf(account, sizeof(account), "%s:%u:%u", user, geteuid(), getegid());
    host_timezone(zone, sizeof(zone));
    for (size_t m = 0; m < spec->n_mounts; m++) {
        csb__qemu_mount_line(&mounts, &spec->mounts[m], m, csb__virtiofs_takes(i, spec, m));
        csb__strbuf_puts(&mounts, "\n");
    }
    if (mounts.failed) {
        return csb__fail_nomem(err);
    }
    rc = write_fw_cfg(i, "hostname", i->name, err);
    if (rc == 0) {
        rc = write_fw_cfg(i, "user", account, err);
    }
    if (rc == 0) {
        rc = write_fw_cfg(i, "timezone", zone, err);
    }
    if (rc == 0) {
        rc = write_fw_cfg(i, "mounts", csb__strbuf_text(&mounts), err);
    }
    if (rc == 0) {
        csb__qemu_mac(i->name, mac);
        rc = write_fw_cfg(i, "mac", mac, err);
    }
    if (rc == 0) {
        rc = copy_fw_cfg(i, "authorized_keys", "user_key.pub", err);
    }
    if (rc == 0) {
        rc = copy_fw_cfg(i, "ssh_host_ed25519_key", "host_key", err);
    }
    return rc == 0 ? copy_fw_cfg(i, "machine-id", "machine-id", err) : rc;
}
