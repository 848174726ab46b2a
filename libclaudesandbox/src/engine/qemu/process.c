/* SPDX-License-Identifier: MIT */
#include "engine/qemu/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/posix.h"
#include "core/process.h"

bool csb__qemu_alive(const struct csb__instance *i) {
    char boot[64];
    uint64_t start;

    csb__boot_id(boot, sizeof(boot));
    return i->pid > 0 && i->boot && strcmp(i->boot, boot) == 0 &&
           csb__process_start_time(i->pid, &start) == 0 && start == i->start_time;
}

int csb__qemu_wait_end(struct csb__env *env, const struct csb__instance *i, int ms,
                       csb_error **err) {
    int64_t until = csb__now_ms() + ms;

    while (csb__qemu_alive(i)) {
        int rc;

        if (csb__now_ms() >= until) {
            return csb__fail(err, CSB_ETIMEOUT, "the VM's process %ld does not end", (long)i->pid);
        }
        rc = csb__env_wait(env, 10, "stopping the VM", err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int csb__qemu_kill(struct csb__env *env, const struct csb__instance *i, csb_error **err) {
    const int signals[] = {SIGTERM, SIGKILL};

    for (int s = 0; s < 2; s++) {
        int rc;

        if (!csb__qemu_alive(i)) {
            return 0;
        }
        if (csb__process_signal(i->pid, i->start_time, signals[s]) != 0 && errno != ESRCH) {
            return csb__fail_errno(err, errno, "can't end the VM's process %ld", (long)i->pid);
        }
        rc = csb__qemu_wait_end(env, i, 5000, NULL);
        if (rc == CSB_ECANCELED) {
            return csb__fail(err, rc, "cancelled");
        }
        if (rc == 0) {
            return 0;
        }
    }
    return csb__fail(err, CSB_EENGINE, "the VM's process %ld does not end", (long)i->pid);
}

static bool runs_from(pid_t pid, const char *dir) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    char path[64];

    snprintf(path, sizeof(path), "/proc/%ld/cmdline", (long)pid);
    if (csb__read_file(path, 65536, &text) != 0) {
        return false;
    }
    for (const char *arg = text.data; arg && arg < text.data + text.len; arg += strlen(arg) + 1) {
        if (strncmp(arg, dir, strlen(dir)) == 0 && strcmp(arg + strlen(dir), "/pid") == 0) {
            return true;
        }
    }
    return false;
}

bool csb__qemu_find(struct csb__instance *i) {
    CSB__AUTOFREE char *path = csb__instance_path(i, "pid");
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    char boot[64];
    long pid;

    if (!path || csb__qemu_alive(i) || csb__read_file(path, 64, &text) != 0) {
        return false;
    }
    pid = strtol(csb__strbuf_text(&text), NULL, 10);
    if (pid <= 0 || !runs_from((pid_t)pid, i->dir) ||
        csb__process_start_time((pid_t)pid, &i->start_time) != 0) {
        return false;
    }
    csb__boot_id(boot, sizeof(boot));
    free(i->boot);
    i->boot = strdup(boot);
    i->pid = (pid_t)pid;
    i->ready = false;
    return true;
}

void csb__qemu_adopt(struct csb__env *env, struct csb__instance *i) {
    if (csb__qemu_find(i)) {
        csb__log(env, CSB_LOG_INFO, "found the process of %s again", i->name);
        (void)csb__instance_save_run(i, NULL);
    }
}
