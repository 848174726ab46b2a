/* SPDX-License-Identifier: MIT */
/* Making machines: create and clone. What a crash or an error may leave is undone here. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/lock.h"
#include "core/path.h"
#include "core/posix.h"
#include "guest/forward.h"
#include "guest/warm.h"
#include "model/fit.h"
#include "model/vm_name.h"
#include "store.h"
#include "vm.h"
#include "vm_neighbours.h"
#include "vm_options.h"
#include "vm_rename.h"

#define MAKE_TIMEOUT_MS (60 * 60 * 1000)
#define UNDO_MS (60 * 1000)

static int choose_name(struct csb__env *env, const struct csb__engine *engine,
                       struct csb__spec *spec, csb_error **err) {
    char name[CSB__NAME_MAX + 1];
    size_t max = engine->name_max(env);
    int rc;

    if (spec->name) {
        if (strlen(spec->name) > max) {
            return csb__fail(err, CSB_EINVAL, "the name %s is longer than %zu characters",
                             spec->name, max);
        }
        return 0;
    }
    rc = csb__vm_name_for_project(spec->project_dir, max, name, err);
    if (rc == 0) {
        spec->name = strdup(name);
        rc = spec->name ? 0 : csb__fail_nomem(err);
    }
    return rc;
}

static int read_template(const char *path, struct csb__template *ret, struct csb__strbuf *text,
                         csb_error **err) {
    CSB__AUTOFREE char *real = realpath(path, NULL);
    int rc = real ? csb__read_file(real, CSB__TEMPLATE_BYTES, text) : errno;

    if (rc == ENOENT) {
        return csb__fail(err, CSB_EINVAL, "there is no template %s", path);
    }
    if (rc != 0) {
        return csb__fail_errno(err, rc, "can't read the template %s", path);
    }
    return csb__template_parse(csb__strbuf_text(text), text->len, path, ret, err);
}

/* A template's sizes are a wish: what is more than this host can bear is cut, and said. */
static void fit_template(struct csb__env *env, const struct csb__template *t,
                         struct csb__spec *spec) {
    int host = csb__host_cpus();
    int cpus = csb__fit_cpus(t->cpus, host);
    uint64_t memory = csb__fit_memory(t->memory, csb__host_memory());

    if (spec->cpus == 0 && cpus != t->cpus) {
        csb__log(env, CSB_LOG_WARNING,
                 "the template asks for %d processors, this machine has %d: the VM gets %d",
                 t->cpus, host, cpus);
        spec->cpus = cpus;
    }
    if (spec->memory == 0 && memory != t->memory) {
        csb__log(env, CSB_LOG_WARNING,
                 "the template asks for %lluMiB of memory, this machine has %lluMiB: the VM gets "
                 "%lluMiB",
                 (unsigned long long)(t->memory >> 20),
                 (unsigned long long)(csb__host_memory() >> 20),
                 (unsigned long long)(memory >> 20));
        spec->memory = memory;
    }
}

/* Takes away what an engine and the store have of a machine, whatever happens to the call. */
static void undo(struct csb__env *env, const struct csb__engine *engine,
                 const struct csb__record *record, csb_error **err) {
    int64_t saved = csb__env_shield(env, UNDO_MS);
    CSB__AUTOERROR csb_error *e = NULL;

    if (engine->remove(env, record->spec.name, record->engine_home, &e) != 0) {
        /* The record stays: with it the user can delete what is left. */
        csb__error_prepend(err, "%s is half made and could not be removed (%s)", record->spec.name,
                           csb_error_message(e));
        csb__error_set_hint(err, "claude-sandbox delete %s", record->spec.name);
    } else {
        csb__store_remove(env, record->spec.name, NULL);
    }
    csb__env_unshield(env, saved);
}

/* With the machine's lock: the name must be free, or held by what a crash left half made. */
static int make_room(struct csb__env *env, const struct csb__spec *spec, csb_error **err) {
    CSB__AUTORECORD old = {0};
    CSB__AUTOERROR csb_error *e = NULL;
    const struct csb__engine *engine;
    int rc = csb__store_load(env, spec->name, &old, &e);

    if (rc != 0) {
        return rc == CSB_ENOTFOUND ? 0 : csb__error_propagate(err, CSB__STEAL(e));
    }
    if (old.complete) {
        return csb__fail(err, CSB_EEXISTS, "there is a VM named %s", spec->name);
    }
    engine = csb__engine_by_name(old.engine);
    csb__log(env, CSB_LOG_INFO, "removing what is left of an interrupted creation of %s",
             spec->name);
    if (engine) {
        rc = engine->remove(env, spec->name, old.engine_home, err);
    }
    return rc;
}

/* A machine that the engine has and we have no record of is not ours. It must be noticed before
 * our record says otherwise, for what is recorded as half made is removed. */
static int check_not_foreign(struct csb__env *env, const struct csb__engine *engine,
                             const struct csb__record *record, csb_error **err) {
    CSB__AUTOMACHINE m = {0};
    CSB__AUTOERROR csb_error *e = NULL;
    int rc = engine->inspect(env, record->spec.name, record->engine_home, &m, &e);

    if (rc == CSB_ENOTFOUND) {
        return 0;
    }
    if (rc != 0) {
        return csb__error_propagate(err, CSB__STEAL(e));
    }
    return csb__fail(err, CSB_EEXISTS, "a VM named %s exists already, and it is not ours",
                     record->spec.name);
}

/* Somebody else's machine may be copied, but not changed for it. */
static bool is_ours(struct csb__env *env, const struct csb__record *like, const char *name) {
    CSB__AUTORECORD r = {0};

    return csb__store_load(env, name, &r, NULL) == 0 && r.complete &&
           strcmp(r.engine, like->engine) == 0 && strcmp(r.engine_home, like->engine_home) == 0;
}

static int call_engine(struct csb__env *env, const struct csb__engine *engine,
                       const struct csb__record *record, const struct csb__source *source,
                       csb_error **err) {
    struct csb__source from = *source;

    if (!source->base) {
        return engine->create(env, &record->spec, source, err);
    }
    from.base_is_ours = is_ours(env, record, source->base);
    return engine->clone(env, &record->spec, &from, err);
}

static int run_engine(struct csb__env *env, const struct csb__engine *engine,
                      struct csb__record *record, const struct csb__source *source,
                      csb_error **err) {
    int rc = check_not_foreign(env, engine, record, err);

    if (rc == 0) {
        rc = csb__store_save_template(env, record->spec.name, source->scripts, err);
    }
    if (rc == 0) {
        rc = csb__neighbours_reserve(env, record, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = call_engine(env, engine, record, source, err);
    if (rc == 0) {
        record->complete = true;
        rc = csb__store_save(env, record, err);
    }
    if (rc == CSB_EEXISTS) {
        /* Somebody else's, made in this very moment: only our record goes. */
        csb__store_remove(env, record->spec.name, NULL);
    } else if (rc != 0) {
        undo(env, engine, record, err);
    }
    return rc;
}

/* Moves the spec into a record that says who made it. */
static int fill_record(struct csb__env *env, const struct csb__engine *engine,
                       struct csb__spec *spec, struct csb__record *ret, csb_error **err) {
    int rc = engine->home(env, &ret->engine_home, err);

    if (rc != 0) {
        return rc;
    }
    ret->engine = strdup(engine->name);
    ret->created = (int64_t)time(NULL);
    if (!ret->engine) {
        return csb__fail_nomem(err);
    }
    ret->spec = *spec;
    *spec = (struct csb__spec){0};
    return 0;
}

static int make(csb_ctx *ctx, const struct csb__source *source, struct csb__spec *spec,
                csb_vm **ret, csb_error **err) {
    struct csb__env *env = &ctx->env;
    const struct csb__engine *engine;
    struct csb__record record = {0};
    CSB__AUTOCLOSE int lock = -1;
    int rc = csb__ctx_engine(ctx, &engine, err);

    csb__rename_settle(ctx);
    if (rc == 0) {
        rc = choose_name(env, engine, spec, err);
    }
    if (rc == 0) {
        rc = csb__ports_check_free(spec->ports, spec->n_ports, NULL, 0, err);
    }
    if (rc == 0) {
        rc = csb__lock(env, spec->name, "creating this VM", &lock, err);
    }
    if (rc == 0) {
        rc = make_room(env, spec, err);
    }
    if (rc == 0) {
        rc = fill_record(env, engine, spec, &record, err);
    }
    if (rc == 0) {
        rc = run_engine(env, engine, &record, source, err);
    }
    if (rc == 0) {
        return csb__vm_new(ctx, &record, ret, err);
    }
    csb__record_finish(&record);
    return rc;
}

static void cleanup_spec(struct csb__spec *spec) {
    csb__spec_finish(spec);
}

/* What a machine is made from when nothing is said: the engine's own image, or where it has none the
 * template that is installed beside the guest's files. */
static int default_template(csb_ctx *ctx, char **ret, csb_error **err) {
    const struct csb__engine *engine;
    int rc = csb__ctx_engine(ctx, &engine, err);

    if (rc == 0 && engine->needs_template) {
        *ret = csb__path_join(ctx->env.guest_dir, "tools-vm.yaml");
        rc = *ret ? 0 : csb__fail_nomem(err);
    }
    return rc;
}

static int resolve(csb_ctx *ctx, const csb_vm_options *opts, struct csb__spec *spec,
                   csb_error **err) {
    int rc = csb__vm_options_resolve(&ctx->env, opts, spec, err);

    return rc == 0 ? csb__vm_options_fit(&ctx->env, spec->cpus, spec->memory, err) : rc;
}

int csb_vm_create(csb_ctx *ctx, const char *template_path, const csb_vm_options *opts, csb_vm **ret,
                  csb_error **err) {
    CSB__CLEANUP(cleanup_spec) struct csb__spec spec = {0};
    CSB__AUTOTEMPLATE template = {0};
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTOFREE char *path = NULL;
    struct csb__source source = {0};
    int rc;

    csb__env_begin(&ctx->env, MAKE_TIMEOUT_MS);
    rc = resolve(ctx, opts, &spec, err);
    source.warm_up = csb__guest_warm_up;
    if (rc == 0 && !template_path) {
        rc = default_template(ctx, &path, err);
        template_path = path;
    }
    if (rc == 0 && template_path) {
        rc = read_template(template_path, &template, &text, err);
        source.template_path = template_path;
        source.template = &template;
        source.scripts = template.n_scripts || template.n_env ? csb__strbuf_text(&text) : NULL;
        fit_template(&ctx->env, &template, &spec);
    }
    return rc == 0 ? make(ctx, &source, &spec, ret, err) : rc;
}

/* A base that never ran leaves its scripts to its copies. */
static int load_scripts(struct csb__env *env, const char *base_name, struct csb__strbuf *text,
                        struct csb__source *source, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    int rc = csb__store_load_template(env, base_name, text, &e);

    if (rc == 0) {
        source->scripts = csb__strbuf_text(text);
    }
    return rc == 0 || rc == CSB_ENOTFOUND ? 0 : csb__error_propagate(err, CSB__STEAL(e));
}

static bool is_base(struct csb__env *env, const char *name) {
    CSB__AUTORECORD record = {0};

    return csb__store_load(env, name, &record, NULL) == 0 && record.is_protected &&
           !record.spec.project_dir;
}

int csb_vm_clone(csb_ctx *ctx, const char *base_name, const csb_vm_options *opts, csb_vm **ret,
                 csb_error **err) {
    CSB__CLEANUP(cleanup_spec) struct csb__spec spec = {0};
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    struct csb__source source = {.base = base_name};
    int rc;

    csb__env_begin(&ctx->env, MAKE_TIMEOUT_MS);
    if (!base_name || !csb__vm_name_valid(base_name)) {
        return csb__fail(err, CSB_EINVAL, "\"%s\" is not a name for a machine",
                         base_name ? base_name : "");
    }
    rc = resolve(ctx, opts, &spec, err);
    if (rc == 0) {
        rc = load_scripts(&ctx->env, base_name, &text, &source, err);
    }
    /* A base is made to be copied, and has nobody's secrets; another VM is copied once. */
    if (rc == 0 && !source.scripts && is_base(&ctx->env, base_name)) {
        source.warm_up = csb__guest_warm_up;
    }
    return rc == 0 ? make(ctx, &source, &spec, ret, err) : rc;
}
