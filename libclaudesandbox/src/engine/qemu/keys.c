/* SPDX-License-Identifier: MIT */
#include "engine/qemu/keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/path.h"
#include "core/posix.h"
#include "core/process.h"

static int make_key(struct csb__env *env, const struct csb__instance *i, const char *file,
                    csb_error **err) {
    CSB__AUTOFREE char *path = csb__instance_path(i, file);
    const char *const argv[] = {"ssh-keygen", "-q",    "-t", "ed25519", "-N", "",
                                "-C",         i->name, "-f", path,      NULL};
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT result = {0};
    int rc;

    if (!path) {
        return csb__fail_nomem(err);
    }
    unlink(path);
    run.argv = argv;
    run.timeout_ms = 30000;
    rc = csb__run(env, &run, &result, err);
    if (rc == 0 && result.status != 0) {
        csb__fail(err, CSB_ESYSTEM, "ssh-keygen failed");
        csb__error_set_child(err, result.status, csb__strbuf_text(&result.errout),
                             result.errout.len);
        return CSB_ESYSTEM;
    }
    return rc;
}

int csb__keys_make(struct csb__env *env, const struct csb__instance *i, csb_error **err) {
    int rc = make_key(env, i, "user_key", err);

    return rc == 0 ? make_key(env, i, "host_key", err) : rc;
}

/* A path in ssh_config(5): % begins a token, quotes hold blanks together. */
static void add_path(struct csb__strbuf *out, const char *option, const char *path) {
    csb__strbuf_printf(out, "    %s \"", option);
    for (; *path; path++) {
        if (*path == '"' || *path == '\\') {
            csb__strbuf_puts(out, "\\");
        }
        csb__strbuf_puts(out, *path == '%' ? "%" : "");
        csb__strbuf_add(out, path, 1);
    }
    csb__strbuf_puts(out, "\"\n");
}

static int write_known_hosts(const struct csb__instance *i, csb_error **err) {
    CSB__AUTOFREE char *key = csb__instance_path(i, "host_key.pub");
    CSB__AUTOFREE char *path = csb__instance_path(i, "known_hosts");
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    int rc;

    if (!key || !path) {
        return csb__fail_nomem(err);
    }
    csb__strbuf_printf(&text, "%s ", i->name);
    rc = csb__read_file(key, 4096, &text);
    if (rc != 0) {
        return csb__fail_errno(err, rc, "can't read %s", key);
    }
    return csb__write_file(path, csb__strbuf_text(&text), text.len, 0600, err);
}

int csb__keys_write_config(const struct csb__instance *i, const char *user, csb_error **err) {
    CSB__AUTOFREE char *path = csb__instance_path(i, "ssh.config");
    CSB__AUTOFREE char *key = csb__instance_path(i, "user_key");
    CSB__AUTOFREE char *known = csb__instance_path(i, "known_hosts");
    CSB__AUTOFREE char *control = csb__instance_socket(i, "ssh");
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    int rc;

    if (!path || !key || !known || !control) {
        return csb__fail_nomem(err);
    }
    rc = write_known_hosts(i, err);
    if (rc != 0) {
        return rc;
    }
    csb__strbuf_printf(&text,
                       "Host %s\n"
                       "    HostName 127.0.0.1\n"
                       "    Port %d\n"
                       "    User %s\n"
                       "    HostKeyAlias %s\n"
                       "    StrictHostKeyChecking yes\n"
                       "    HostKeyAlgorithms ssh-ed25519\n"
                       "    KexAlgorithms curve25519-sha256\n"
                       "    GlobalKnownHostsFile /dev/null\n"
                       "    IdentitiesOnly yes\n"
                       "    IdentityAgent none\n"
                       "    PreferredAuthentications publickey\n"
                       "    ForwardAgent no\n"
                       "    ForwardX11 no\n"
                       "    ServerAliveInterval 30\n"
                       "    ServerAliveCountMax 6\n",
                       i->name, i->ssh_port, user, i->name);
    add_path(&text, "IdentityFile", key);
    add_path(&text, "UserKnownHostsFile", known);
    add_path(&text, "ControlPath", control);
    if (text.failed) {
        return csb__fail_nomem(err);
    }
    return csb__write_file(path, csb__strbuf_text(&text), text.len, 0600, err);
}

int csb__keys_door(const struct csb__instance *i, struct csb__door *ret, csb_error **err) {
    ret->ssh_config = csb__instance_path(i, "ssh.config");
    ret->ssh_host = strdup(i->name);
    ret->control_path = csb__instance_socket(i, "ssh");
    return ret->ssh_config && ret->ssh_host && ret->control_path ? 0 : csb__fail_nomem(err);
}
