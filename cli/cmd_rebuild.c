/* SPDX-License-Identifier: MIT */
/*
 * rebuild-tools-vm: a new base for new VMs. It is made beside the old one under the name NAME-new,
 * looked at, sealed, and takes the old one's place only when all of that went well. Whatever goes
 * wrong before: the new one goes, and the old one is as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "rebuild.h"

static void on_log(int level, const char *text, void *userdata) {
    const struct rebuild *r = userdata;

    rebuild_log(r, "%s", text);
    if (level == CSB_LOG_WARNING || r->o->verbose) {
        cli_print_safe(text);
    }
}

static void on_progress(int step, int steps, const char *text, void *userdata) {
    const struct rebuild *r = userdata;

    if (steps > 0) {
        rebuild_log(r, "--- [%d/%d] %s", step, steps, text);
    } else {
        rebuild_log(r, "--- %s", text);
    }
    if (!r->o->quiet) {
        cli_progress(step, steps, text, NULL);
    }
}

static void phase(struct rebuild *r, const char *text) {
    on_progress(0, 0, text, r);
}

/* Protected or not: it is half made, or was never meant to stay. */
static int remove_vm(csb_vm *vm, csb_error **err) {
    int rc = csb_vm_is_protected(vm) ? csb_vm_protect(vm, 0, err) : 0;

    return rc == 0 ? csb_vm_delete(vm, CSB_DELETE_FORCE, err) : rc;
}

static int remove_leftover(struct rebuild *r, csb_error **err) {
    csb_error *e = NULL;
    csb_vm *vm = NULL;
    int rc = csb_vm_open(r->ctx, r->fresh, &vm, &e);

    csb_error_free(e);
    if (rc != 0) {
        return 0; /* making it will say what is wrong */
    }
    phase(r, "removing what an earlier attempt left");
    rc = remove_vm(vm, err);
    csb_vm_free(vm);
    return rc;
}

/* One that somebody works in is nobody's base, and not ours to delete, whatever it is called. */
static bool is_a_projects(const struct rebuild *r, const char *name) {
    csb_error *err = NULL;
    csb_vm *vm = NULL;
    char text[4400];
    bool found = csb_vm_open(r->ctx, name, &vm, &err) == 0 && *csb_vm_project_dir(vm);

    if (found) {
        snprintf(text, sizeof(text), "%s is the VM of %s, and no base", name,
                 csb_vm_project_dir(vm));
        cli_print_safe(text);
    }
    csb_error_free(err);
    csb_vm_free(vm);
    return found;
}

static int create(struct rebuild *r, const csb_vm_options *v, csb_vm **ret, csb_error **err) {
    const char *env = getenv("CLAUDE_SANDBOX_TEMPLATE");
    const char *template = r->o->template ? r->o->template
                           : env && *env  ? env
                                          : csb_ctx_template(r->ctx);
    char text[512];
    int rc;

    snprintf(text, sizeof(text), "making %s from %s", r->fresh, template);
    phase(r, text);
    rc = csb_vm_create(r->ctx, template, v, ret, err);
    /* Before the work, not after it. */
    return rc == 0 ? csb_vm_rename(*ret, r->name, CSB_RENAME_REPLACE | CSB_RENAME_CHECK, err) : rc;
}

static int bad_tools(struct rebuild *r, int bad) {
    char text[256];

    snprintf(text, sizeof(text), "%d of the tools %s not answer", bad, bad == 1 ? "does" : "do");
    rebuild_log(r, "%s", text);
    cli_print_safe(text);
    return EXIT_SANDBOX;
}

/* -1 when it is as it should be, else the exit status; an error is left to be reported. */
static int check(struct rebuild *r, csb_vm *vm, csb_error **err) {
    int bad = 0;

    phase(r, "looking whether the tools answer");
    if (rebuild_check_tools(r, vm, &bad, err) != 0) {
        return EXIT_SANDBOX;
    }
    return bad ? bad_tools(r, bad) : -1;
}

static int finish(struct rebuild *r, csb_vm *vm, csb_error **err) {
    int rc;

    phase(r, "sealing it");
    rc = rebuild_seal(vm, err);
    if (rc > 0) {
        cli_print_safe("the VM could not be sealed");
        return rc;
    }
    if (rc == 0) {
        phase(r, "stopping it");
        rc = csb_vm_stop(vm, 0, err);
    }
    if (rc == 0) {
        phase(r, "putting it in its place");
        rc = csb_vm_protect(vm, 1, err);
    }
    return rc == 0 ? csb_vm_rename(vm, r->name, CSB_RENAME_REPLACE, err) : rc;
}

/* 0, or the exit status with the error, if there is one, still to be told. */
static int build(struct rebuild *r, const csb_vm_options *v, csb_vm **vm, csb_error **err) {
    int status;

    if (is_a_projects(r, r->name) || is_a_projects(r, r->fresh)) {
        return EXIT_SANDBOX;
    }
    if (remove_leftover(r, err) != 0 || create(r, v, vm, err) != 0) {
        return EXIT_SANDBOX;
    }
    if (csb_vm_start(*vm, err) != 0) {
        return EXIT_SANDBOX;
    }
    status = check(r, *vm, err);
    if (status < 0) {
        status = finish(r, *vm, err) == 0 ? 0 : EXIT_SANDBOX;
    }
    return status;
}

/* What went wrong has been told; this is about what is left. */
static void give_up(struct rebuild *r, csb_vm *vm) {
    csb_error *err = NULL;
    char text[4400];

    if (vm && remove_vm(vm, &err) != 0) {
        cli_report(err);
    }
    cli_progress_end();
    snprintf(text, sizeof(text), "%s was not rebuilt; what happened is in %s", r->name,
             r->log_path);
    rebuild_log(r, "%s was not rebuilt", r->name);
    cli_print_safe(text);
}

static int rebuild(struct rebuild *r, const csb_vm_options *v) {
    csb_error *err = NULL;
    csb_vm *vm = NULL;
    int status = build(r, v, &vm, &err);

    cli_progress_end();
    if (err) {
        rebuild_log(r, "%s\n%s", csb_error_message(err), csb_error_detail(err));
        status = cli_report(err);
    }
    if (status != 0) {
        give_up(r, vm);
    } else if (!r->o->quiet) {
        int64_t seconds = rebuild_took_ms(r) / 1000;

        printf("%s is ready, after %lld:%02lld minutes.\n", r->name, (long long)(seconds / 60),
               (long long)(seconds % 60));
    }
    csb_vm_free(vm);
    return status;
}

static const char *base_name(const struct cli_options *o) {
    const char *env = getenv("CLAUDE_SANDBOX_BASE_VM");

    return o->n_names ? o->names[0] : env && *env ? env : CLI_TOOLS_VM;
}

static int run(csb_ctx *ctx, const struct cli_options *o) {
    struct rebuild r = {.o = o, .name = base_name(o)};
    csb_ctx_options options = CSB_CTX_OPTIONS_INIT;
    csb_vm_options v = CSB_VM_OPTIONS_INIT;
    csb_error *err = NULL;
    int status = cli_parse_sizes(o, &v);

    if (status >= 0) {
        return status;
    }
    if (o->n_names > 1 || o->clone_from || strchr(r.name, '/')) {
        return cli_usage_error("rebuild-tools-vm takes one name, and makes the VM from a template");
    }
    snprintf(r.fresh, sizeof(r.fresh), "%s-new", r.name);
    v.name = r.fresh;
    status = rebuild_log_open(&r, csb_ctx_state_dir(ctx));
    if (status >= 0) {
        return status;
    }
    options.engine = o->engine;
    options.log = on_log;
    options.log_userdata = &r;
    options.progress = on_progress;
    options.progress_userdata = &r;
    r.ctx = cli_open_context(&options, &err);
    if (r.ctx) {
        status = rebuild(&r, &v);
        cli_free_context(r.ctx);
    } else {
        status = cli_report(err);
    }
    fclose(r.log);
    return status;
}

const struct cli_command cmd_rebuild = {
    .name = CLI_REBUILD,
    .arguments = "[VM]",
    .summary = "make the base that new VMs are copies of, from its template",
    .takes_names = true,
    .run = run,
};
