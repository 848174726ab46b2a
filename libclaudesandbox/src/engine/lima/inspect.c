/* SPDX-License-Identifier: MIT */
/* How machines are: read from their directories where that is plain, and else asked of limactl. */
#include <claudesandbox/vm.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/parallel.h"
#include "core/path.h"
#include "core/posix.h"
#include "engine/lima/config.h"
#include "engine/lima/instance_dir.h"
#include "engine/lima/lima.h"
#include "engine/lima/lima_proc.h"

/* What a record of limactl's and our own look have in common. */
struct sight {
    const char *name;
    int state;
    const char *reason; /* of a broken one */
    int cpus;
    uint64_t memory;
    uint64_t disk;
};

static int to_machine(const char *home, const struct sight *s, struct csb__machine *ret,
                      csb_error **err) {
    CSB__AUTOMACHINE m = {.state = s->state, .cpus = s->cpus, .memory = s->memory, .disk = s->disk};
    CSB__AUTOFREE char *dir = csb__path_join(home, s->name);
    int rc = dir ? csb__lima_door(dir, s->name, &m.door, err) : csb__fail_nomem(err);

    if (rc != 0) {
        return rc;
    }
    m.disk_used = csb__tree_bytes(dir);
    if (m.state == CSB_VM_RUNNING || m.state == CSB_VM_STARTING) {
        m.started = csb__lima_dir_started(dir);
    }
    if (m.state == CSB_VM_BROKEN) {
        m.reason = strdup(s->reason ? s->reason : "Lima can't tell its state");
        if (!m.reason) {
            return csb__fail_nomem(err);
        }
    }
    *ret = m;
    m = (struct csb__machine){0};
    return 0;
}

static int from_record(const char *home, const struct csb__lima_record *r, struct csb__machine *ret,
                       csb_error **err) {
    struct sight s = {r->name, csb__lima_state(home, r), r->errors, r->cpus, r->memory, r->disk};

    return to_machine(home, &s, ret, err);
}

/* ---- without limactl ------------------------------------------------------------------------- */

/* As Lima would: a file in the place of a shared directory makes the configuration invalid. */
static bool can_be_shared(const struct csb__lima_config *c) {
    struct stat st;

    for (size_t i = 0; i < c->locations.len; i++) {
        if (stat(c->locations.items[i], &st) == 0 ? !S_ISDIR(st.st_mode) : errno != ENOENT) {
            return false;
        }
    }
    return true;
}

static bool answers(const char *dir) {
    CSB__AUTOFREE char *path = csb__path_join(dir, "ha.sock");
    CSB__AUTOCLOSE int fd = path ? csb__unix_connect_at_once(path) : -1;

    return fd >= 0;
}

/* False where it is not plain: one of two processes, or a host agent that is silent. */
static bool tell_state(const char *dir, const struct csb__lima_config *c,
                       const struct csb__lima_found *found, int *ret) {
    size_t agents = 0;
    int boot;

    if (found->n == 0) {
        *ret = CSB_VM_STOPPED;
        return true;
    }
    for (size_t i = 0; i < found->n; i++) {
        agents += found->procs[i].is_agent;
    }
    /* On vz the host agent is all there is. */
    if (agents != 1 || found->n != (strcmp(c->vm_type, "vz") == 0 ? 1 : 2) || !answers(dir)) {
        return false;
    }
    boot = csb__lima_boot_state(dir);
    *ret = boot == CSB__LIMA_BOOTING ? CSB_VM_STARTING : CSB_VM_RUNNING;
    return boot == CSB__LIMA_BOOTING || boot == CSB__LIMA_READY;
}

/* One that plainly runs or is stopped, by the files that Lima documents and the processes that live;
 * false when limactl must be asked. `found` is what lives of it. */
static bool glance(const char *home, const char *name, const struct csb__lima_found *found,
                   struct csb__machine *ret) {
    CSB__AUTOFREE char *dir = csb__path_join(home, name);
    CSB__AUTOFREE char *path = dir ? csb__path_join(dir, "lima.yaml") : NULL;
    CSB__AUTOLIMACONFIG c = {.locations = CSB__STRV_INIT};
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    struct sight s = {.name = name};

    if (!path || csb__read_file(path, CSB__LIMA_CONFIG_MAX, &text) != 0 ||
        csb__lima_config_read(csb__strbuf_text(&text), text.len, &c, NULL) != 0 || c.cpus == 0 ||
        c.memory == 0 || c.disk == 0 || !can_be_shared(&c) ||
        !tell_state(dir, &c, found, &s.state)) {
        return false;
    }
    s.cpus = c.cpus;
    s.memory = c.memory;
    s.disk = c.disk;
    return to_machine(home, &s, ret, NULL) == 0;
}

/* ---- all of them ----------------------------------------------------------------------------- */

struct looks {
    const char *const *names;
    size_t n;
    struct csb__machine *rets;
    int *codes;
};

struct glances {
    const char *home;
    const struct looks *k;
    const struct csb__lima_found *found;
    bool plain;
};

/* 0, ENOTFOUND, or ESTATE where it is not plain. */
static void glance_at(void *arg, size_t i) {
    const struct glances *g = arg;
    const char *name = g->k->names[i];
    int rc = CSB_ENOTFOUND;

    g->k->rets[i] = (struct csb__machine){0};
    if (csb__lima_has_dir(g->home, name)) {
        rc = g->plain && glance(g->home, name, &g->found[i], &g->k->rets[i]) ? 0 : CSB_ESTATE;
    }
    g->k->codes[i] = rc;
}

/* Those that limactl has to be asked for, by their names; how many. */
static int glance_all(const char *home, const struct looks *k, const char **rest, size_t *n_rest,
                      csb_error **err) {
    CSB__AUTOFREE struct csb__lima_found *found = calloc(k->n + 1, sizeof(*found));
    struct glances g = {home, k, found, !csb__lima_has_overrides(home)};
    int rc = found ? csb__lima_procs_of(home, k->names, k->n, found, err) : csb__fail_nomem(err);

    if (rc != 0) {
        return rc;
    }
    csb__each(k->n, glance_at, &g);
    for (size_t i = 0; i < k->n; i++) {
        if (k->codes[i] == CSB_ESTATE) {
            rest[(*n_rest)++] = k->names[i];
        }
    }
    return 0;
}

static void take_listed(const char *home, const struct looks *k, const struct csb__lima_list *list,
                        const csb_error *why) {
    for (size_t i = 0; i < k->n; i++) {
        const struct csb__lima_record *r = csb__lima_list_find(list, k->names[i]);

        if (k->codes[i] == 0) {
            continue;
        }
        if (r) {
            k->codes[i] = from_record(home, r, &k->rets[i], NULL);
        } else {
            k->codes[i] = why && csb__lima_has_dir(home, k->names[i]) ? CSB_EENGINE : CSB_ENOTFOUND;
            k->rets[i].reason = why ? strdup(csb_error_message(why)) : NULL;
        }
    }
}

int csb__lima_inspect_all(struct csb__env *env, const char *const *names, size_t n,
                          const char *home, struct csb__machine *rets, int *codes,
                          csb_error **err) {
    struct csb__limactl l = {env, home, false};
    CSB__AUTOFREE const char **rest = calloc(n + 1, sizeof(*rest));
    CSB__AUTOLIMALIST found = {NULL, 0};
    CSB__AUTOERROR csb_error *why = NULL;
    struct looks k = {names, n, rets, codes};
    size_t n_rest = 0;
    int rc = rest ? glance_all(home, &k, rest, &n_rest, err) : csb__fail_nomem(err);

    if (rc == 0 && n_rest > 0) {
        rc = csb__lima_list(&l, rest, n_rest, &found, &why, err);
    }
    if (rc == 0) {
        take_listed(home, &k, &found, why);
    }
    return rc;
}

int csb__lima_inspect(struct csb__env *env, const char *name, const char *home,
                      struct csb__machine *ret, csb_error **err) {
    struct csb__limactl l = {env, home, false};
    CSB__AUTOLIMALIST found = {NULL, 0};
    struct looks k = {&name, 1, &(struct csb__machine){0}, &(int){0}};
    const char *rest[1];
    size_t n_rest = 0;
    int rc = glance_all(home, &k, rest, &n_rest, err);

    if (rc == 0 && n_rest == 0 && *k.codes == 0) {
        *ret = *k.rets;
        return 0;
    }
    if (rc == 0) {
        rc = csb__lima_look_up(&l, name, &found, err);
    }
    return rc != 0 ? rc : from_record(home, csb__lima_list_find(&found, name), ret, err);
}
