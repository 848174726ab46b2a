/* SPDX-License-Identifier: MIT */
#include "guest/socket.h"

#include <stdio.h>
#include <string.h>

#include "guest/ssh.h"

#define UID_DIGITS_MAX 10

/* The user's number from /proc, since id(1) is a process. Another user of the guest may have made the
 * directory first, or a link in its place. */
const char csb__socket_place_script[] =
    "u=; while [ -z \"$u\" ] && read -r k v _; do [ \"$k\" != Uid: ] || u=$v; done "
    "</proc/self/status; d=" CSB__SOCKET_DIR "$u; "
    "[ -d \"$d\" ] || mkdir -m 700 \"$d\" 2>/dev/null; "
    "[ \"$u\" ] && [ ! -L \"$d\" ] && [ -d \"$d\" ] && [ -O \"$d\" ] && echo \"$d\"\n";

bool csb__socket_is_place(const char *text) {
    size_t prefix = strlen(CSB__SOCKET_DIR);
    size_t digits;

    if (strncmp(text, CSB__SOCKET_DIR, prefix) != 0) {
        return false;
    }
    digits = strspn(text + prefix, "0123456789");
    return digits > 0 && digits <= UID_DIGITS_MAX && text[prefix + digits] == '\0';
}

/* What the guest says becomes part of an argument: only what we expect is taken. */
static int find_place(struct csb__env *env, const struct csb__door *door, char **ret,
                      csb_error **err) {
    CSB__AUTORESULT result = {0};
    const char *place;
    int rc = csb__ssh_run(env, door, csb__socket_place_script, NULL, &result, err);

    if (rc != 0) {
        return rc;
    }
    place = csb__strbuf_last_line(&result.out);
    if (result.status != 0 || !csb__socket_is_place(place)) {
        csb__fail(err, CSB_EPROTOCOL, "the VM has no place for a socket");
        csb__error_set_child(err, result.status, csb__strbuf_text(&result.errout),
                             result.errout.len);
        return CSB_EPROTOCOL;
    }
    *ret = strdup(place);
    return *ret ? 0 : csb__fail_nomem(err);
}

/* ssh(1) takes a colon for the end of a field unless a backslash stands before it, and expands
 * percent signs afterwards. */
static void add_escaped(struct csb__strbuf *out, const char *path) {
    for (; *path; path++) {
        if (*path == '\\' || *path == ':') {
            csb__strbuf_puts(out, "\\");
        } else if (*path == '%') {
            csb__strbuf_puts(out, "%");
        }
        csb__strbuf_add(out, path, 1);
    }
}

void csb__socket_spec(struct csb__strbuf *out, const char *guest_path, const char *host_path) {
    add_escaped(out, guest_path);
    csb__strbuf_puts(out, ":");
    add_escaped(out, host_path);
}

static int remove_stale(struct csb__env *env, const struct csb__door *door, const char *path,
                        csb_error **err) {
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTORESULT result = {0};

    csb__strbuf_printf(&script, "rm -f %s", path);
    return script.failed ? csb__fail_nomem(err)
                         : csb__ssh_run(env, door, csb__strbuf_text(&script), NULL, &result, err);
}

/* A second time the same forward is no error, and leaves the first. What an earlier connection left
 * in the guest is one: sshd does not replace it everywhere. */
static int forward(struct csb__env *env, const struct csb__door *door, const char *guest_path,
                   const char *spec, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    int rc = csb__ssh_forward(env, door, "forward", "-R", spec, &e);

    if (rc != CSB_EENGINE) {
        return rc == 0 ? 0 : csb__error_propagate(err, CSB__STEAL(e));
    }
    rc = remove_stale(env, door, guest_path, err);
    return rc == 0 ? csb__ssh_forward(env, door, "forward", "-R", spec, err) : rc;
}

int csb__socket_carry(struct csb__env *env, const struct csb__door *door, const char *host_path,
                      const char *place, const char *name, char **guest_path, csb_error **err) {
    CSB__AUTOSTRBUF spec = CSB__STRBUF_INIT;
    CSB__AUTOFREE char *found = NULL;
    CSB__AUTOFREE char *path = NULL;
    int rc = place ? 0 : find_place(env, door, &found, err);

    if (rc != 0) {
        return rc;
    }
    if (asprintf(&path, "%s/%s.sock", place ? place : found, name) < 0) {
        path = NULL;
        return csb__fail_nomem(err);
    }
    csb__socket_spec(&spec, path, host_path);
    if (spec.failed) {
        return csb__fail_nomem(err);
    }
    rc = forward(env, door, path, csb__strbuf_text(&spec), err);
    if (rc != 0) {
        csb__error_prepend(err, "carrying %s into the VM", host_path);
    } else if (guest_path) {
        *guest_path = CSB__STEAL(path);
    }
    return rc;
}
