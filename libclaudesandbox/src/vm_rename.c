/* SPDX-License-Identifier: MIT */
/*
 * Another name for a machine, in the place of one that has it.
 *
 * Each of the three steps can be done again when it was interrupted; which one is under way stands
 * in a file. So whatever happens, there is a machine of that name once the next call has looked:
 * the new one, or the old one if the new one could not be put in its place.
 */
#include "vm_rename.h"

#include <claudesandbox/vm.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "core/lock.h"
#include "core/path.h"
#include "core/posix.h"
#include "model/vm_name.h"
#include "store.h"
#include "vm.h"

#define RENAME_TIMEOUT_MS (5 * 60 * 1000)
#define SETTLE_MS 5000
#define STEPS_MS 180000
/* No name of a machine begins so. */
#define LOCK "_rename"
#define JOURNAL "rename.json"

enum { STEP_ASIDE = 1, STEP_MOVE = 2, STEP_DELETE = 3 };

struct plan {
    int step;
    char from[CSB__NAME_MAX + 1];
    char to[CSB__NAME_MAX + 1];
    char aside[CSB__NAME_MAX + 1]; /* where the one that is replaced waits; "" for none */
};

/* --- the file --------------------------------------------------------------------------------- */

static int plan_save(struct csb__env *env, const struct plan *p, csb_error **err) {
    CSB__AUTOFREE char *path = csb__path_join(env->state_dir, JOURNAL);
    CSB__AUTOJSON *json = json_pack("{s:i, s:i, s:s, s:s, s:s}", "schema", 1, "step", p->step,
                                    "from", p->from, "to", p->to, "aside", p->aside);
    CSB__AUTOFREE char *text = json ? csb__json_text(json, JSON_INDENT(1)) : NULL;

    if (!path || !text) {
        return csb__fail_nomem(err);
    }
    return csb__write_file(path, text, strlen(text), 0600, err);
}

static int plan_remove(struct csb__env *env, csb_error **err) {
    CSB__AUTOFREE char *path = csb__path_join(env->state_dir, JOURNAL);

    if (!path) {
        return csb__fail_nomem(err);
    }
    return unlink(path) == 0 || errno == ENOENT
               ? 0
               : csb__fail_errno(err, errno, "can't remove %s", path);
}

static bool take_name(const json_t *json, const char *key, char out[CSB__NAME_MAX + 1]) {
    const char *name = csb__json_string(json, key, "?");

    if (*name && !csb__vm_name_valid(name)) {
        return false;
    }
    snprintf(out, CSB__NAME_MAX + 1, "%s", name);
    return true;
}

/* ENOTFOUND when nothing is under way. */
static int plan_load(struct csb__env *env, struct plan *ret, csb_error **err) {
    CSB__AUTOFREE char *path = csb__path_join(env->state_dir, JOURNAL);
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTOJSON *json = NULL;
    int rc = path ? csb__read_file(path, 65536, &text) : ENOMEM;

    if (rc == ENOENT) {
        return csb__fail(err, CSB_ENOTFOUND, "nothing is renamed");
    }
    if (rc != 0) {
        return csb__fail_errno(err, rc, "can't read %s", path ? path : JOURNAL);
    }
    rc = csb__json_parse(csb__strbuf_text(&text), text.len, &json, err);
    if (rc != 0) {
        return rc;
    }
    ret->step = (int)csb__json_int(json, "step", 0);
    if (ret->step < STEP_ASIDE || ret->step > STEP_DELETE || !take_name(json, "from", ret->from) ||
        !take_name(json, "to", ret->to) || !take_name(json, "aside", ret->aside)) {
        return csb__fail(err, CSB_EPROTOCOL, "%s is damaged", path);
    }
    return 0;
}

/* --- the steps -------------------------------------------------------------------------------- */

static int move_template(struct csb__env *env, const char *from, const char *to, csb_error **err) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTOERROR csb_error *e = NULL;
    int rc = csb__store_load_template(env, from, &text, &e);

    if (rc != 0 && rc != CSB_ENOTFOUND) {
        return csb__error_propagate(err, CSB__STEAL(e));
    }
    return csb__store_save_template(env, to, rc == 0 ? csb__strbuf_text(&text) : NULL, err);
}

static int load_with_engine(struct csb__env *env, const char *name, struct csb__record *ret,
                            const struct csb__engine **engine, csb_error **err) {
    int rc = csb__store_load(env, name, ret, err);

    *engine = rc == 0 ? csb__engine_by_name(ret->engine) : NULL;
    if (rc == 0 && !*engine) {
        rc = csb__fail(err, CSB_ENOTSUP, "%s is of the engine %s, which is not here", name,
                       ret->engine);
    }
    return rc;
}

/* What could not be written down, as with a full disk, is taken back: without a record the machine
 * would be nobody's, and cleaned up, and with two of them one would be broken. */
static void move_back(struct csb__env *env, struct csb__record *r, const char *to,
                      const struct csb__engine *engine) {
    if (engine->rename(env, to, r->spec.name, r->engine_home, NULL) == 0 &&
        csb__store_save(env, r, NULL) == 0) {
        (void)csb__store_remove(env, to, NULL);
    }
}

/* The record, of a machine that has its new name with the engine already. */
static int move_record(struct csb__env *env, struct csb__record *r, char *to,
                       const struct csb__engine *engine, csb_error **err) {
    char *from = r->spec.name;
    int rc = move_template(env, from, to, err);

    if (rc == 0) {
        r->spec.name = to;
        rc = csb__store_save(env, r, err);
        r->spec.name = from;
    }
    if (rc == 0 && r->is_protected && engine->protect) {
        rc = engine->protect(env, to, r->engine_home, true, err);
    }
    if (rc == 0) {
        rc = csb__store_remove(env, from, err);
    }
    if (rc != 0) {
        move_back(env, r, to, engine);
    }
    return rc;
}

/* The engine's part and ours. Fine when it was done before. */
static int move(struct csb__env *env, const char *from, const char *to, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTORECORD r = {0};
    const struct csb__engine *engine;
    char *name;
    int rc = load_with_engine(env, from, &r, &engine, &e);

    if (rc == CSB_ENOTFOUND && csb__store_load(env, to, &r, NULL) == 0) {
        return 0;
    }
    if (rc != 0) {
        return csb__error_propagate(err, CSB__STEAL(e));
    }
    name = strdup(to);
    if (!name) {
        return csb__fail_nomem(err);
    }
    rc = engine->rename(env, from, to, r.engine_home, err);
    if (rc == 0) {
        rc = move_record(env, &r, name, engine, err);
    }
    free(name);
    return rc;
}

static int remove_aside(struct csb__env *env, const char *name, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    CSB__AUTORECORD r = {0};
    const struct csb__engine *engine;
    int rc = load_with_engine(env, name, &r, &engine, &e);

    if (rc != 0) {
        return rc == CSB_ENOTFOUND ? 0 : csb__error_propagate(err, CSB__STEAL(e));
    }
    if (r.is_protected && engine->protect) {
        (void)engine->protect(env, name, r.engine_home, false, NULL);
    }
    rc = engine->remove(env, name, r.engine_home, err);
    if (rc != 0) {
        /* It is nobody's base any more: the user may delete it. */
        r.is_protected = false;
        (void)csb__store_save(env, &r, NULL);
        return rc;
    }
    return csb__store_remove(env, name, err);
}

static int next_step(struct csb__env *env, struct plan *p, int step, csb_error **err) {
    p->step = step;
    return plan_save(env, p, err);
}

/* The old one goes back to its name. False when it can't: the next call begins with another try. */
static bool take_back(struct csb__env *env, const struct plan *p, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;

    if (!*p->aside || move(env, p->aside, p->to, &e) == 0) {
        return true;
    }
    csb__error_prepend(err, "the VM that had the name %s is %s now (%s)", p->to, p->aside,
                       csb_error_message(e));
    return false;
}

static void delete_aside(struct csb__env *env, const struct plan *p) {
    CSB__AUTOERROR csb_error *e = NULL;

    if (remove_aside(env, p->aside, &e) != 0) {
        csb__log(env, CSB_LOG_WARNING, "the VM that %s replaces is left as %s: %s", p->to, p->aside,
                 csb_error_message(e));
    }
}

/* From the step that is written down to the end. */
static int carry_out(struct csb__env *env, struct plan *p, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    bool settled = true;
    int rc = 0;

    if (p->step == STEP_ASIDE) {
        rc = move(env, p->to, p->aside, &e);
        rc = rc == 0 ? next_step(env, p, STEP_MOVE, &e) : rc;
    }
    if (rc == 0 && p->step == STEP_MOVE) {
        rc = move(env, p->from, p->to, &e);
        settled = rc == 0 || take_back(env, p, &e);
        rc = rc == 0 && *p->aside ? next_step(env, p, STEP_DELETE, &e) : rc;
    }
    if (rc == 0 && p->step == STEP_DELETE) {
        delete_aside(env, p);
    }
    if (settled) {
        (void)plan_remove(env, NULL);
    }
    return rc == 0 ? 0 : csb__error_propagate(err, CSB__STEAL(e));
}

/* Whoever has one of them may be starting it, and the rename is left for later. */
static bool hold_all(struct csb__env *env, const struct plan *p, int fds[3]) {
    const char *const names[] = {p->from, p->to, p->aside};

    for (int i = 0; i < 3; i++) {
        if (*names[i] && csb__lock_try(env, names[i], &fds[i], NULL) != 0) {
            csb__log(env, CSB_LOG_INFO, "%s is in use: the rename waits", names[i]);
            return false;
        }
    }
    return true;
}

static void settle_locked(struct csb__env *env) {
    CSB__AUTOERROR csb_error *e = NULL;
    struct plan p = {0};
    int fds[3] = {-1, -1, -1};
    int rc = plan_load(env, &p, &e);

    if (rc == 0 && hold_all(env, &p, fds)) {
        rc = carry_out(env, &p, &e);
        if (rc == 0) {
            csb__log(env, CSB_LOG_INFO, "finished renaming %s to %s", p.from, p.to);
        }
    }
    if (rc != 0 && rc != CSB_ENOTFOUND) {
        csb__log(env, CSB_LOG_WARNING, "a rename that was interrupted: %s", csb_error_message(e));
    }
    for (int i = 0; i < 3; i++) {
        csb__cleanup_close(&fds[i]);
    }
}

void csb__rename_settle(csb_ctx *ctx) {
    struct csb__env *env = &ctx->env;
    CSB__AUTOFREE char *path = csb__path_join(env->state_dir, JOURNAL);
    CSB__AUTOCLOSE int lock = -1;
    int64_t saved;

    if (!path || access(path, F_OK) != 0) {
        return;
    }
    /* Whoever is at it is done in a moment. */
    saved = csb__env_shield(env, SETTLE_MS);
    if (csb__lock(env, LOCK, "renaming a VM", &lock, NULL) == 0) {
        env->deadline = csb__now_ms() + STEPS_MS;
        settle_locked(env);
    }
    csb__env_unshield(env, saved);
}

int csb__rename_exclude(csb_ctx *ctx, int *lock, csb_error **err) {
    struct csb__env *env = &ctx->env;
    CSB__AUTOFREE char *path = csb__path_join(env->state_dir, JOURNAL);
    int rc = !path  ? csb__fail_nomem(err)
             : lock ? csb__lock(env, LOCK, "renaming a VM", lock, err)
                    : 0;

    if (rc != 0 || access(path, F_OK) != 0) {
        return rc;
    }
    csb__fail(err, CSB_EBUSY, "a VM is being renamed, which could not be finished yet");
    csb__error_set_hint(err, "claude-sandbox -v status");
    return CSB_EBUSY;
}

/* --- whether it can be done ------------------------------------------------------------------- */

/* Nothing must be there in the engine under a name that we have no record of. */
static int check_free(struct csb__env *env, const struct csb__engine *engine, const char *name,
                      const char *home, csb_error **err) {
    CSB__AUTOMACHINE m = {0};
    CSB__AUTOERROR csb_error *e = NULL;
    int rc = engine->inspect(env, name, home, &m, &e);

    if (rc == CSB_ENOTFOUND) {
        return 0;
    }
    return rc != 0 ? csb__error_propagate(err, CSB__STEAL(e))
                   : csb__fail(err, CSB_EEXISTS, "a VM named %s exists already, and it is not ours",
                               name);
}

static int check_stopped(const csb_vm *vm, csb_error **err) {
    int state = csb_vm_state(vm);

    if (state == CSB_VM_STOPPED) {
        return 0;
    }
    csb__fail(err, CSB_ESTATE, "%s is %s; only a stopped VM can be renamed or replaced",
              csb_vm_name(vm), csb_vm_state_name(vm));
    csb__error_set_hint(err, "claude-sandbox stop %s%s", state == CSB_VM_BROKEN ? "-f " : "",
                        csb_vm_name(vm));
    return CSB_ESTATE;
}

/* The one that has the name: it makes room under another. */
static int plan_aside(csb_vm *vm, struct plan *p, unsigned flags, csb_error **err) {
    struct csb__env *env = &vm->ctx->env;
    struct csb__record r = {0};
    csb_vm *old = NULL;
    int rc;

    if (!(flags & CSB_RENAME_REPLACE)) {
        return csb__fail(err, CSB_EEXISTS, "there is a VM named %s already", p->to);
    }
    if (snprintf(p->aside, sizeof(p->aside), "%s-old", p->to) >= (int)sizeof(p->aside)) {
        return csb__fail(err, CSB_EINVAL, "the name %s is too long", p->to);
    }
    if (csb__store_load(env, p->aside, &r, NULL) == 0) {
        csb__record_finish(&r);
        csb__fail(err, CSB_EEXISTS, "%s is in the way", p->aside);
        csb__error_set_hint(err, "claude-sandbox delete %s", p->aside);
        return CSB_EEXISTS;
    }
    rc = csb__store_load(env, p->to, &r, err);
    if (rc == 0) {
        rc = csb__vm_new(vm->ctx, &r, &old, err);
    }
    if (rc == 0) {
        rc = old->engine ? check_stopped(old, err)
                         : csb__fail(err, CSB_ENOTSUP, "%s: %s", p->to, csb_vm_state_reason(old));
    }
    if (rc == 0) {
        rc = check_free(env, old->engine, p->aside, old->record.engine_home, err);
    }
    /* Its engine is another one, which may have that name too. */
    if (rc == 0 && old->engine != vm->engine) {
        rc = check_free(env, vm->engine, p->to, vm->record.engine_home, err);
    }
    csb_vm_free(old);
    return rc;
}

static int make_plan(csb_vm *vm, const char *new_name, unsigned flags, struct plan *p,
                     csb_error **err) {
    struct csb__env *env = &vm->ctx->env;
    struct csb__record r = {0};
    int rc = csb__vm_inspect(vm, err);

    if (rc == 0) {
        rc = vm->engine
                 ? check_stopped(vm, err)
                 : csb__fail(err, CSB_ENOTSUP, "%s: %s", csb_vm_name(vm), csb_vm_state_reason(vm));
    }
    if (rc == 0 && strlen(new_name) > vm->engine->name_max(env)) {
        rc = csb__fail(err, CSB_EINVAL, "the name %s is longer than %zu characters", new_name,
                       vm->engine->name_max(env));
    }
    if (rc != 0) {
        return rc;
    }
    *p = (struct plan){.step = STEP_MOVE};
    snprintf(p->from, sizeof(p->from), "%s", csb_vm_name(vm));
    snprintf(p->to, sizeof(p->to), "%s", new_name);
    if (csb__store_load(env, new_name, &r, NULL) == 0) {
        csb__record_finish(&r);
        p->step = STEP_ASIDE;
        return plan_aside(vm, p, flags, err);
    }
    return check_free(env, vm->engine, new_name, vm->record.engine_home, err);
}

/* --- the call --------------------------------------------------------------------------------- */

static int rename_locked(csb_vm *vm, const char *new_name, unsigned flags, csb_error **err) {
    struct csb__env *env = &vm->ctx->env;
    struct csb__record fresh = {0};
    CSB__AUTOCLOSE int lock = -1;
    struct plan p = {0};
    int64_t saved;
    int rc = make_plan(vm, new_name, flags, &p, err);

    if (rc != 0 || (flags & CSB_RENAME_CHECK)) {
        return rc;
    }
    rc = *p.aside ? csb__lock(env, p.aside, "using the VM of that name", &lock, err) : 0;
    if (rc == 0) {
        rc = plan_save(env, &p, err);
    }
    if (rc != 0) {
        return rc;
    }
    /* Some seconds that are better not cut short. */
    saved = csb__env_shield(env, STEPS_MS);
    rc = carry_out(env, &p, err);
    if (rc == 0) {
        rc = csb__store_load(env, new_name, &fresh, err);
    }
    if (rc == 0) {
        csb__vm_take_record(vm, &fresh);
        (void)csb__vm_inspect(vm, NULL);
    }
    csb__env_unshield(env, saved);
    return rc;
}

int csb_vm_rename(csb_vm *vm, const char *new_name, unsigned flags, csb_error **err) {
    struct csb__env *env = &vm->ctx->env;
    CSB__AUTOCLOSE int all = -1;
    CSB__AUTOCLOSE int own = -1;
    CSB__AUTOCLOSE int other = -1;
    int rc;

    if (flags & ~(unsigned)(CSB_RENAME_REPLACE | CSB_RENAME_CHECK)) {
        return csb__fail(err, CSB_EINVAL, "unknown flags");
    }
    if (!csb__vm_name_valid(new_name) || strcmp(new_name, csb_vm_name(vm)) == 0) {
        return csb__fail(err, CSB_EINVAL, "\"%s\" is not another name for a machine", new_name);
    }
    csb__rename_settle(vm->ctx);
    csb__env_begin(env, RENAME_TIMEOUT_MS);
    /* Only here is more than one machine held, and one such call at a time. */
    rc = csb__lock(env, LOCK, "renaming a VM", &all, err);
    if (rc == 0) {
        rc = csb__vm_lock(vm, "using this VM", &own, err);
    }
    if (rc == 0) {
        rc = csb__lock(env, new_name, "using the VM of that name", &other, err);
    }
    if (rc == 0) {
        rc = rename_locked(vm, new_name, flags, err);
    }
    if (rc != 0) {
        csb__error_prepend(err, "renaming %s to %s", csb_vm_name(vm), new_name);
    }
    return rc;
}
