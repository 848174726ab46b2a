/* SPDX-License-Identifier: MIT */
#include "guest/warm.h"

#include "guest/setup.h"
#include "guest/ssh.h"

/* The programs of a session, each in the way it will be started. What one can't do here is no
 * harm: it is slower the first time then. */
static const char warm_script[] =
    "d=$(mktemp -d) && cd \"$d\" && export HOME=\"$d\" || exit 0\n"
    "{\n"
    "git init -q . && echo x >x && git add x && git status && git log\n"
    "sudo -n true\n"
    "for i in 1 2; do \"${SHELL:-/bin/sh}\" -lc 'claude --version; rg x; curl --version; jq . x'; "
    "done\n"
    "} </dev/null >/dev/null 2>&1\n"
    "cd /; rm -rf \"$d\"\n";

int csb__guest_warm_up(struct csb__env *env, const struct csb__door *door, csb_error **err) {
    const struct csb__engine nothing_moved = {0};
    const struct csb__spec no_shares = {0};
    CSB__AUTOFOUND found = {0};
    CSB__AUTORESULT result = {0};
    int rc = csb__guest_setup(env, &nothing_moved, &no_shares, door, false, &found, err);

    if (rc == 0) {
        rc = csb__ssh_run(env, door, "exec /bin/sh -s", warm_script, &result, err);
    }
    csb__ssh_disconnect(env, door);
    return rc;
}
