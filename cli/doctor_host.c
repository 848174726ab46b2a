/* SPDX-License-Identifier: MIT */
/* What VMs need of the host: room on the disk, and paths that fit into sockets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/un.h>

#include "doctor.h"

/* An image and a few projects. */
#define ENOUGH_BYTES (UINT64_C(8) << 30)
/* What comes behind the directory that the engine keeps a machine's sockets in; ssh makes the longest,
 * under a name of its own until it is done. */
#define QEMU_SOCKET "/run/01234567/control.0123456789abcdef"
#define LIMA_SOCKET "/claude-sandbox-p-01234567/ssh.sock.0123456789abcdef"

static void check_space(struct doctor *d) {
    char *path = strdup(csb_ctx_state_dir(d->ctx));
    struct statvfs st;

    /* The state directory may not be there yet. */
    for (char *end; path && statvfs(path, &st) != 0 && (end = strrchr(path, '/')) && end > path;) {
        *end = '\0';
    }
    if (!path || statvfs(path, &st) != 0) {
        doctor_say(d, false, "disk", "", "can't tell how much room there is");
    } else {
        uint64_t space = (uint64_t)st.f_bavail * st.f_frsize;

        doctor_say(d, space >= ENOUGH_BYTES, "disk", "claude-sandbox prune", "%llu GiB free",
                   (unsigned long long)(space >> 30));
    }
    free(path);
}

static void check_sockets(struct doctor *d) {
    const char *state = csb_ctx_state_dir(d->ctx);
    const char *home = getenv("LIMA_HOME");
    size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path);
    size_t len = strlen(state) + strlen(QEMU_SOCKET);
    const char *mend = "export CLAUDE_SANDBOX_HOME=~/.csb";

    if (d->engine && strcmp(d->engine, "lima") == 0) {
        size_t in_home = (home && *home ? strlen(home) : strlen(state) + strlen("/lima")) +
                         strlen(LIMA_SOCKET);

        if (in_home > len) {
            len = in_home;
            mend = home && *home ? "export LIMA_HOME=~/.lima" : mend;
        }
    }
    if (len < max) {
        doctor_say(d, true, "sockets", "", "paths of sockets fit, with %zu characters to spare",
                   max - 1 - len);
    } else {
        doctor_say(d, false, "sockets", mend, "paths of sockets get %zu characters too long in %s",
                   len - max + 1, state);
    }
}

void doctor_host(struct doctor *d) {
    check_space(d);
    check_sockets(d);
}
