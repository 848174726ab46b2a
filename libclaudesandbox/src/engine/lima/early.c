/* SPDX-License-Identifier: MIT */
#include "engine/lima/early.h"

#include "core/process.h"
#include "engine/engine.h"
#include "engine/lima/instance_dir.h"

#define LOOK_MS 20000
#define NEVER 3

/* It waits there, since a new connection costs a guest that boots more than a wait does. Lima's own mark
 * comes when the last script has ended, also where the first one leaves none. */
static const char script[] =
    "[ -e /usr/local/lib/claude-sandbox/complete ] || exit 3\n"
    "i=0\n"
    "until [ -e /run/claude-sandbox/ready ] || [ -e /run/lima-boot-done ]; do\n"
    "    i=$((i + 1))\n"
    "    [ $i -lt 50 ] || exit 4\n"
    "    sleep 0.2\n"
    "done\n";

/* A connection of its own: one that came before /etc/environment is as it will be must not be kept
 * (pkg/cidata/cidata.TEMPLATE.d/boot.Linux/07-etc-environment.sh). */
static int ask(struct csb__env *env, const struct csb__door *door, int *status) {
    const char *const argv[] = {"ssh",
                                "-F",
                                door->ssh_config,
                                "-o",
                                "LogLevel=ERROR",
                                "-o",
                                "BatchMode=yes",
                                "-o",
                                "ControlMaster=no",
                                "-o",
                                "ControlPath=none",
                                "-o",
                                "ConnectTimeout=5",
                                "-T",
                                door->ssh_host,
                                "--",
                                script,
                                NULL};
    CSB__AUTORESULT result = {0};
    struct csb__run run = CSB__RUN_INIT;
    int rc;

    run.argv = argv;
    run.timeout_ms = LOOK_MS;
    rc = csb__run(env, &run, &result, NULL);
    *status = result.status;
    return rc;
}

bool csb__lima_early_look(void *userdata) {
    struct csb__lima_early *e = userdata;
    CSB__AUTOMACHINE m = {0};
    int status;

    if (e->never || csb__lima_door(e->dir, e->name, &m.door, NULL) != 0 || !*m.door.ssh_config ||
        ask(e->env, &m.door, &status) != 0) {
        return false;
    }
    e->never = status == NEVER;
    if (status != 0 || !csb__lima_dir_note_early(e->dir)) {
        return false;
    }
    csb__log(e->env, CSB_LOG_INFO, "%s is ready; Lima goes on with its boot", e->name);
    return true;
}
