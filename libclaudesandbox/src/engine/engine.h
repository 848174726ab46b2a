/* SPDX-License-Identifier: MIT */
/*
 * An engine knows machines and nothing of Claude: it makes, starts, stops and deletes them, and says
 * how each is reached by ssh. Everything else about a guest is done above, through that door.
 *
 * The caller holds the machine's lock in every call that changes one, has checked the spec, and
 * owns what comes back. An engine that fails half-way in create or clone has undone its part.
 */
#ifndef CSB_ENGINE_ENGINE_H
#define CSB_ENGINE_ENGINE_H

#include "core/env.h"
#include "core/strbuf.h"
#include "model/spec.h"
#include "model/template.h"

/* How to reach a guest: ssh -F config host. Empty strings before the first start. */
struct csb__door {
    char *ssh_config;
    char *ssh_host;
    char *control_path; /* of the ssh master that the config speaks of */
};

/* What an engine says of a machine. */
struct csb__machine {
    int state;    /* CSB_VM_... */
    char *reason; /* why it is broken; NULL otherwise */
    int cpus;     /* 0: unknown, as for the next three */
    uint64_t memory;
    uint64_t disk;
    uint64_t disk_used; /* what its files take up on the host now */
    int64_t started;    /* when it was started, in seconds since 1970; 0: unknown, or it is off */
    struct csb__door door;
};

void csb__machine_finish(struct csb__machine *m);
#define CSB__AUTOMACHINE CSB__CLEANUP(csb__machine_finish) struct csb__machine

/* What to make a machine from, besides its spec. */
struct csb__source {
    const char *template_path;            /* NULL: the engine's own image */
    const struct csb__template *template; /* the same, read; NULL with it */
    const char *base;                     /* for clone: the machine to copy */
    const char *scripts; /* the template's text when it has some for the first start, else NULL */
    /* Does in a guest what a session needs, so that it is warm: for an engine that can keep one and
     * start new machines from it. NULL: nothing is to be kept. */
    int (*warm_up)(struct csb__env *env, const struct csb__door *door, csb_error **err);
    bool base_is_ours; /* there is a record of the base, of this engine and home */
};

/* What an engine is told by csb_ctx_clean(). */
struct csb__clean {
    bool dry_run; /* only say what is there */
    /* The names of all records as they are now, also of those that can't be read. */
    int (*names)(struct csb__env *env, struct csb__strv *ret, csb_error **err);
    /* Whether somebody is making a machine now; what it is made from may not look used yet. */
    bool (*somebody_makes)(struct csb__env *env);
    /* To be called for each thing that was found, and removed unless it is a dry run or failed. */
    void (*found)(const struct csb__clean *clean, const char *what, const char *path,
                  uint64_t bytes, const csb_error *failure);
    void *userdata; /* of `found` */
};

enum {
    CSB__STOP_FORCE = 1 << 0,
    CSB__STOP_SUSPEND = 1 << 1, /* only for one that suspends */
    CSB__STOP_UNDO = 1 << 2     /* of a start that failed: what was kept before it stays */
};

struct csb__engine {
    const char *name;
    bool needs_template; /* it has no image of its own */
    bool provisions;     /* it runs a template's scripts itself, at every start */
    bool suspends;       /* it can keep what runs in a machine */
    bool pauses;         /* one that runs may stand still: start lets it go on */
    /* Whether it can be used here: 0 and a line that says what was found ("limactl 2.2.0"), to be
     * freed, or ENOENGINE with what is missing and a hint that says what to install. */
    int (*probe)(struct csb__env *env, char **what, csb_error **err);
    /* Where it keeps machines now, for the record (LIMA_HOME); "" if that is the state directory.
     * To be freed. EINVAL for a place that can't be recorded. */
    int (*home)(struct csb__env *env, char **ret, csb_error **err);
    /* How long a machine's name may be, given the limits on socket paths. */
    size_t (*name_max)(struct csb__env *env);
    /* Leaves it stopped. EEXISTS when the engine has one of that name. */
    int (*create)(struct csb__env *env, const struct csb__spec *spec,
                  const struct csb__source *source, csb_error **err);
    int (*clone)(struct csb__env *env, const struct csb__spec *spec,
                 const struct csb__source *source, csb_error **err);
    /* Makes a stopped machine what the spec says by now: sizes that are not 0, and mounts. All or
     * nothing. */
    int (*configure)(struct csb__env *env, const struct csb__spec *spec, const char *home,
                     csb_error **err);
    /* Returns when sshd can be expected to answer; fine when it runs already. `home` as recorded,
     * here and below. */
    int (*start)(struct csb__env *env, const struct csb__spec *spec, const char *home,
                 csb_error **err);
    /* Fine when it is stopped; what was kept of one that is suspended is thrown away then, unless it is
     * to be suspended. */
    int (*stop)(struct csb__env *env, const char *name, const char *home, unsigned flags,
                csb_error **err);
    /* Deletes it in whatever state, also one half made; fine when there is none. */
    int (*remove)(struct csb__env *env, const char *name, const char *home, csb_error **err);
    /* Gives a stopped machine another name; EEXISTS when the engine has one of that name. Calling
     * it again finishes what was interrupted, and is fine when that was done. */
    int (*rename)(struct csb__env *env, const char *name, const char *new_name, const char *home,
                  csb_error **err);
    /* Lets the engine's own tools know that it must not be deleted, or may be again. May be NULL. */
    int (*protect)(struct csb__env *env, const char *name, const char *home, bool on,
                   csb_error **err);
    /* ENOTFOUND when the engine has none of that name. */
    int (*inspect)(struct csb__env *env, const char *name, const char *home,
                   struct csb__machine *ret, csb_error **err);
    /* inspect for many at once, the same home for all: rets[i] and codes[i] (0, or what inspect
     * would have returned, for a reason that rets[i] may have) for names[i]. */
    int (*inspect_all)(struct csb__env *env, const char *const *names, size_t n, const char *home,
                       struct csb__machine *rets, int *codes, csb_error **err);
    /* The end of the guest's console and the engine's own log, for error messages. */
    void (*console)(struct csb__env *env, const char *name, const char *home,
                    struct csb__strbuf *out);
    /* Where the engine mounts the index-th mount when it can't mount it at its guest_path: to be
     * freed; NULL when it can. The guest floor binds it to its place then. The member may be
     * NULL: it always can. */
    char *(*mount_point)(const struct csb__spec *spec, size_t index);
    /* Removes what of our own lies around and belongs to no record, taking the locks it needs and
     * leaving what somebody has locked. The member may be NULL: there is no such thing. */
    int (*clean)(struct csb__env *env, const struct csb__clean *clean, csb_error **err);
};

extern const struct csb__engine csb__engine_lima;
#ifdef __linux__
extern const struct csb__engine csb__engine_qemu;
#endif

/* The i-th of those that are part of this build; NULL past the end. */
const struct csb__engine *csb__engine_get(size_t i);
/* NULL for a name that is none of ours. */
const struct csb__engine *csb__engine_by_name(const char *name);

/* The engine asked for (NULL: none in particular) or else the first that works; `why` says it in a
 * line, to be freed. ENOENGINE says what each one lacks. */
int csb__engine_choose(struct csb__env *env, const char *wanted, const struct csb__engine **ret,
                       char **why, csb_error **err);

#endif
