/* SPDX-License-Identifier: MIT */
/* Sockets of the host that programs in a machine can connect to. */
#include <string.h>

#include "core/posix.h"
#include "guest/socket.h"
#include "guest/ssh.h"
#include "vm.h"

#define CONNECT_MS (60 * 1000)
#define NAME_MAX_LEN 32

/* The name that our own hooks have; see guest/wiring. */
static const char reserved[] = "hooks";

static int check_name(const char *name, csb_error **err) {
    size_t len = name ? strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") : 0;

    if (len == 0 || len > NAME_MAX_LEN || name[len] != '\0') {
        return csb__fail(err, CSB_EINVAL,
                         "the name of a socket has 1 to %d lower case letters, digits and \"-\"",
                         NAME_MAX_LEN);
    }
    if (strcmp(name, reserved) == 0) {
        return csb__fail(err, CSB_EINVAL, "the socket \"%s\" is claude-sandbox's own", reserved);
    }
    return 0;
}

static int check_path(const char *path, csb_error **err) {
    if (!path || *path != '/') {
        return csb__fail(err, CSB_EINVAL, "%s is not an absolute path", path ? path : "(null)");
    }
    if (!csb__unix_path_fits(path)) {
        return csb__fail(err, CSB_EINVAL, "%s is too long for the path of a socket", path);
    }
    return 0;
}

int csb_vm_carry_socket(csb_vm *vm, const char *host_path, const char *name, csb_error **err) {
    struct csb__env *env = &vm->ctx->env;
    int rc = check_name(name, err);

    if (rc == 0) {
        rc = check_path(host_path, err);
    }
    if (rc == 0) {
        rc = csb__vm_require_running(vm, err);
    }
    if (rc != 0) {
        return rc;
    }
    csb__env_begin(env, CONNECT_MS);
    rc = csb__ssh_connect(env, &vm->machine.door, err);
    return rc == 0 ? csb__socket_carry(env, &vm->machine.door, host_path, NULL, name, NULL, err)
                   : rc;
}
