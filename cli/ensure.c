/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const char *or_env(const char *given, const char *name) {
    const char *value = getenv(name);

    return given ? given : value && *value ? value : NULL;
}

/* A whole number from 1; anything else is the user's mistake, not 0. */
static int parse_cpus(const char *text, int *ret) {
    char *end = NULL;
    long n = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : 0;

    if (!end || *end || n < 1 || n > 256) {
        return cli_usage_error("--cpus %s: not a number of processors from 1 to 256", text);
    }
    *ret = (int)n;
    return -1;
}

static int parse_size(const char *option, const char *text, uint64_t *ret) {
    csb_error *err = NULL;
    int status;

    if (csb_size_parse(text, ret, &err) == 0) {
        return -1;
    }
    status = cli_usage_error("--%s: %s", option, csb_error_message(err));
    csb_error_free(err);
    return status;
}

int cli_parse_sizes(const struct cli_options *o, csb_vm_options *v) {
    int status = o->cpus ? parse_cpus(o->cpus, &v->cpus) : -1;

    if (status < 0 && o->mem) {
        status = parse_size("mem", o->mem, &v->memory_bytes);
    }
    if (status < 0 && o->disk) {
        status = parse_size("disk", o->disk, &v->disk_bytes);
    }
    return status;
}

static int parse_settings_mode(const struct cli_options *o, csb_vm_options *v) {
    const char *text = or_env(o->settings_mode, "CLAUDE_SANDBOX_SETTINGS_MODE");

    if (text && strcmp(text, "rw") != 0 && strcmp(text, "ro") != 0) {
        return cli_usage_error("--settings-mode %s: neither rw nor ro", text);
    }
    v->settings_mode = text && strcmp(text, "ro") == 0 ? CSB_SETTINGS_RO : CSB_SETTINGS_RW;
    return -1;
}

/* A shell leaves "~" alone in --settings=~/x and between quotes, and we would make a directory of that
 * name, with no settings in it. */
static int check_tilde(const char *dir) {
    if (!dir || *dir != '~' || (dir[1] != '/' && dir[1] != '\0')) {
        return -1;
    }
    return cli_usage_error("--settings %s: only a shell knows what ~ is; write \"$HOME%s\", or "
                           "\"./%s\" if that is its name",
                           dir, dir + 1, dir);
}

bool cli_is_default_base(const csb_vm *vm, const char *engine) {
    return strcmp(csb_vm_name(vm), CLI_TOOLS_VM) == 0 && csb_vm_is_protected(vm) &&
           strcmp(csb_vm_engine(vm), engine) == 0;
}

const char *cli_default_base(csb_ctx *ctx) {
    csb_error *err = NULL;
    const char *engine = "";
    csb_vm *vm = NULL;
    bool good = csb_ctx_engine(ctx, &engine, NULL, &err) == 0 &&
                csb_vm_open(ctx, CLI_TOOLS_VM, &vm, &err) == 0 && cli_is_default_base(vm, engine);

    csb_error_free(err);
    csb_vm_free(vm);
    return good ? CLI_TOOLS_VM : NULL;
}

static int make(csb_ctx *ctx, const struct cli_options *o, const csb_vm_options *v, csb_vm **ret,
                csb_error **err) {
    const char *base = or_env(o->clone_from, "CLAUDE_SANDBOX_BASE_VM");
    const char *template = or_env(o->template, "CLAUDE_SANDBOX_TEMPLATE");

    if (!base && !template) {
        base = cli_default_base(ctx);
    }
    if (base && !o->template) {
        return csb_vm_clone(ctx, base, v, ret, err);
    }
    return csb_vm_create(ctx, template, v, ret, err);
}

/* How a machine came to be can't be changed afterwards: who asks for something else is told. */
static void say_what_is_kept(const csb_vm *vm, const struct cli_options *o) {
    char text[512];

    if (o->template || o->clone_from || (o->engine && strcmp(o->engine, csb_vm_engine(vm)) != 0)) {
        snprintf(text, sizeof(text),
                 "%s exists: --engine, --template and --clone-from are for new VMs and change "
                 "nothing here",
                 csb_vm_name(vm));
        cli_print_safe(text);
    }
}

/* The defaults are for new machines; one that is there changes by what is said on the command line. */
static int change(csb_vm *vm, const struct cli_options *o, const csb_vm_options *v,
                  csb_error **err) {
    csb_vm_options changes = CSB_VM_OPTIONS_INIT;
    char text[512];
    int later = 0;
    int rc;

    say_what_is_kept(vm, o);
    changes.cpus = v->cpus;
    changes.memory_bytes = v->memory_bytes;
    changes.disk_bytes = v->disk_bytes;
    changes.settings_dir = o->settings;
    changes.settings_mode = o->settings_mode ? v->settings_mode : 0;
    if (!changes.cpus && !changes.memory_bytes && !changes.disk_bytes && !changes.settings_dir &&
        !changes.settings_mode) {
        return 0;
    }
    rc = csb_vm_configure(vm, &changes, &later, err);
    if (rc == 0 && later) {
        snprintf(text, sizeof(text),
                 csb_vm_state(vm) == CSB_VM_SUSPENDED
                     ? "%s is %s and goes on as it was; it changes when it is stopped and started "
                       "again: claude-sandbox stop"
                     : "%s is %s and changes when it is started the next time: claude-sandbox stop",
                 csb_vm_name(vm), csb_vm_state_name(vm));
        cli_print_safe(text);
    }
    return rc;
}

/* What was asked for is settled before anything is made or started. */
static int open_or_make(csb_ctx *ctx, const struct cli_options *o, csb_vm_options *v, csb_vm **ret,
                        csb_error **err) {
    int rc = csb_vm_for_project(ctx, v->project_dir, ret, err);

    if (rc == 0) {
        rc = change(*ret, o, v, err);
        if (rc != 0) {
            csb_vm_free(*ret);
        }
        return rc;
    }
    if (rc != CSB_ENOTFOUND) {
        return rc;
    }
    csb_error_free(*err);
    *err = NULL;
    rc = make(ctx, o, v, ret, err);
    if (rc == 0) {
        cli_say_if_moved(o, *ret);
    }
    if (rc == CSB_EEXISTS) {
        /* Another process was faster. */
        csb_error *again = NULL;

        if (csb_vm_for_project(ctx, v->project_dir, ret, &again) == 0) {
            csb_error_free(*err);
            *err = NULL;
            return 0;
        }
        csb_error_free(again);
    }
    return rc;
}

int cli_plan(csb_ctx *ctx, const struct cli_options *o, struct cli_plan *ret) {
    csb_vm_options *v = &ret->options;
    int status;

    *v = (csb_vm_options)CSB_VM_OPTIONS_INIT;
    status = cli_parse_sizes(o, v);
    if (status < 0) {
        status = parse_settings_mode(o, v);
    }
    if (status < 0 && o->ports) {
        v->ports = ret->ports;
        status = cli_parse_ports(o->ports, ret->ports, CLI_PORTS_MAX, &v->n_ports);
    }
    if (status >= 0) {
        return status;
    }
    v->project_dir = o->dir ? o->dir : ".";
    v->settings_dir = or_env(o->settings, "CLAUDE_SANDBOX_SETTINGS");
    status = check_tilde(v->settings_dir);
    if (status >= 0) {
        return status;
    }
    if (!v->settings_dir) {
        snprintf(ret->settings, sizeof(ret->settings), "%s/.claude", csb_ctx_state_dir(ctx));
        v->settings_dir = ret->settings;
    }
    v->flags = o->force_mount ? CSB_VM_FORCE_MOUNT : 0;
    return -1;
}

int cli_ensure_running(csb_ctx *ctx, const struct cli_options *o, csb_vm **ret) {
    struct cli_plan plan;
    const csb_vm_options *v = &plan.options;
    csb_error *err = NULL;
    int status = cli_plan(ctx, o, &plan);
    int rc;

    if (status >= 0) {
        return status;
    }
    if (o->clone_from && o->template) {
        return cli_usage_error("either --clone-from or --template, not both");
    }
    rc = open_or_make(ctx, o, &plan.options, ret, &err);
    if (rc == 0) {
        rc = o->ports ? csb_vm_set_ports(*ret, v->ports, v->n_ports, &err) : 0;
        rc = rc == 0 ? csb_vm_start(*ret, &err) : rc;
        if (rc != 0) {
            csb_vm_free(*ret);
        }
    }
    cli_progress_end();
    return rc == 0 ? -1 : cli_report(err);
}
