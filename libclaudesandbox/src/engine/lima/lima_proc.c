/* SPDX-License-Identifier: MIT */
#include "engine/lima/lima_proc.h"

#include <limits.h>
#include <signal.h>
#include <string.h>

#include "core/path.h"
#include "core/posix.h"
#include "core/process.h"

#define POLL_MS 20
/* QEMU writes its disk's last words on SIGTERM. */
#define DRIVER_MS 2000
/* How long a host agent may tidy up after its driver. */
#define AGENT_MS 3000
#define KILLED_MS 5000

static bool is_pid_file_in(const char *path, const char *dir) {
    size_t len = strlen(dir);
    const char *base = path + len + 1;
    const char *dot;

    if (strncmp(path, dir, len) != 0 || path[len] != '/' || strchr(base, '/')) {
        return false;
    }
    dot = strrchr(base, '.');
    return dot && strcmp(dot, ".pid") == 0;
}

bool csb__lima_args_match(const char *args, size_t len, const char *dir, bool *is_agent) {
    const char *before = "";

    for (const char *end = args + len; args < end;) {
        const char *nul = memchr(args, '\0', (size_t)(end - args));

        if (!nul) {
            return false; /* cut off */
        }
        /* limactl hostagent --pidfile DIR/ha.pid; qemu-system-... -pidfile DIR/qemu.pid. */
        *is_agent = strcmp(before, "--pidfile") == 0;
        if ((*is_agent || strcmp(before, "-pidfile") == 0) && is_pid_file_in(args, dir)) {
            return true;
        }
        before = args;
        args = nul + 1;
    }
    return false;
}

struct search {
    char **dirs;
    struct csb__lima_found *found;
    size_t n;
};

static void take_process(pid_t pid, const char *args, size_t len, void *userdata) {
    struct search *s = userdata;
    struct csb__lima_proc p = {.pid = pid};

    for (size_t i = 0; i < s->n; i++) {
        struct csb__lima_found *f = &s->found[i];

        if (f->n < CSB__LIMA_PROCS_MAX && s->dirs[i] &&
            csb__lima_args_match(args, len, s->dirs[i], &p.is_agent) &&
            csb__process_start_time(pid, &p.start_time) == 0) {
            f->procs[f->n++] = p;
        }
    }
}

/* limactl resolves the links in LIMA_HOME before it names files in it. */
int csb__lima_procs_of(const char *home, const char *const *names, size_t n,
                       struct csb__lima_found *ret, csb_error **err) {
    CSB__AUTOFREE char *real = realpath(home, NULL);
    CSB__AUTOFREE char **dirs = calloc(n + 1, sizeof(*dirs));
    struct search s = {dirs, ret, n};
    int rc = dirs ? 0 : csb__fail_nomem(err);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        ret[i].n = 0;
        dirs[i] = csb__path_join(real ? real : home, names[i]);
        rc = dirs[i] ? 0 : csb__fail_nomem(err);
    }
    if (rc == 0) {
        csb__lima_each_process(take_process, &s);
    }
    for (size_t i = 0; dirs && i < n; i++) {
        free(dirs[i]);
    }
    return rc;
}

size_t csb__lima_procs(const char *home, const char *name, struct csb__lima_proc *ret) {
    struct csb__lima_found found = {.n = 0};

    (void)csb__lima_procs_of(home, &name, 1, &found, NULL);
    memcpy(ret, found.procs, found.n * sizeof(*ret));
    return found.n;
}

static bool is_alive(const struct csb__lima_proc *p) {
    uint64_t now;

    return csb__process_start_time(p->pid, &now) == 0 && now == p->start_time;
}

bool csb__lima_agent_alive(const struct csb__lima_proc *procs, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (procs[i].is_agent && is_alive(&procs[i])) {
            return true;
        }
    }
    return false;
}

size_t csb__lima_procs_signal(const struct csb__lima_proc *procs, size_t n, bool agents,
                              int signo) {
    size_t sent = 0;

    for (size_t i = 0; i < n; i++) {
        if (procs[i].is_agent == agents &&
            csb__process_signal(procs[i].pid, procs[i].start_time, signo) == 0) {
            sent++;
        }
    }
    return sent;
}

static bool wait_gone(const struct csb__lima_proc *procs, size_t n, bool agents, int ms) {
    int64_t until = csb__now_ms() + ms;

    for (;;) {
        bool alive = false;

        for (size_t i = 0; i < n; i++) {
            alive = alive || (procs[i].is_agent == agents && is_alive(&procs[i]));
        }
        if (!alive || csb__now_ms() >= until) {
            return !alive;
        }
        csb__sleep_ms(POLL_MS);
    }
}

/* The driver first: with it gone a host agent ends by itself, and takes its sockets and its ssh
 * master along. Without a driver of its own (vz) the host agent is the plug. */
static void kill_once(const struct csb__lima_proc *procs, size_t n) {
    bool drivers = csb__lima_procs_signal(procs, n, false, SIGTERM) > 0;

    if (drivers && !wait_gone(procs, n, false, DRIVER_MS)) {
        csb__lima_procs_signal(procs, n, false, SIGKILL);
        wait_gone(procs, n, false, KILLED_MS);
    }
    if (!drivers || !wait_gone(procs, n, true, AGENT_MS)) {
        csb__lima_procs_signal(procs, n, true, SIGKILL);
        wait_gone(procs, n, true, KILLED_MS);
    }
}

int csb__lima_kill(const char *home, const char *name, csb_error **err) {
    struct csb__lima_proc procs[CSB__LIMA_PROCS_MAX];
    size_t n = csb__lima_procs(home, name, procs);

    /* More than once: a host agent that was killed may just have started its driver. */
    for (int i = 0; n > 0 && i < 3; i++) {
        kill_once(procs, n);
        n = csb__lima_procs(home, name, procs);
    }
    if (n > 0) {
        return csb__fail(err, CSB_EENGINE, "process %ld of the VM %s does not end",
                         (long)procs[0].pid, name);
    }
    return 0;
}
