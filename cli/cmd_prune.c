/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

struct prune {
    csb_ctx *ctx;
    const struct cli_options *o;
    const char **names; /* of the VMs that go, n of them */
    size_t n;
    size_t n_leftovers;
};

/* Ours by record, whatever they are called; never one without a project, which is somebody's base,
 * nor the base that new VMs are made from; a running one only by force. */
static bool wants_prune(const csb_vm *vm, const struct cli_options *o) {
    const char *base = getenv("CLAUDE_SANDBOX_BASE_VM");
    const char *prefix = o->n_names ? o->names[0] : "";
    int state = csb_vm_state(vm);

    if (o->leftovers || strncmp(csb_vm_name(vm), prefix, strlen(prefix)) != 0 ||
        !*csb_vm_project_dir(vm) || csb_vm_is_protected(vm) ||
        (base && strcmp(base, csb_vm_name(vm)) == 0)) {
        return false;
    }
    return o->force ||
           (state != CSB_VM_RUNNING && state != CSB_VM_STARTING && state != CSB_VM_SUSPENDED);
}

/* One that was started meanwhile stays. */
static int delete (csb_vm *vm, const struct cli_options *o) {
    return cli_delete(vm, o, o->force ? CSB_DELETE_FORCE : 0);
}

static void choose(struct prune *p, const csb_vm_list *list) {
    for (size_t i = 0; i < csb_vm_list_count(list); i++) {
        const csb_vm *vm = csb_vm_list_get(list, i);

        if (wants_prune(vm, p->o)) {
            p->names[p->n++] = csb_vm_name(vm);
            if (!p->o->quiet || p->o->dry_run) {
                printf("%s\t%s\t%s\n", csb_vm_name(vm), csb_vm_state_name(vm),
                       csb_vm_project_dir(vm));
            }
        }
    }
}

/* ---- what belongs to no VM ------------------------------------------------------------------- */

/* The record of a VM that is listed and goes by itself: "STATE/vms/NAME.json". */
static bool is_listed(const struct prune *p, const char *path) {
    const char *name = strrchr(path, '/') + 1;

    for (size_t i = 0; i < p->n; i++) {
        size_t len = strlen(p->names[i]);

        if (strncmp(name, p->names[i], len) == 0 && strcmp(name + len, ".json") == 0) {
            return true;
        }
    }
    return false;
}

static void print_leftover(const char *what, const char *path, uint64_t bytes) {
    if (bytes >= UINT64_C(1) << 20) {
        printf("%s\t%s\t%lluMiB\n", path, what, (unsigned long long)(bytes >> 20));
    } else {
        printf("%s\t%s\n", path, what);
    }
}

static void on_found(const char *what, const char *path, uint64_t bytes, const csb_error *failure,
                     void *userdata) {
    struct prune *p = userdata;

    (void)failure;
    if (!is_listed(p, path)) {
        p->n_leftovers++;
        if (!p->o->quiet || p->o->dry_run) {
            print_leftover(what, path, bytes);
        }
    }
}

struct removal {
    const struct cli_options *o;
    bool failed;
};

static void on_removed(const char *what, const char *path, uint64_t bytes, const csb_error *failure,
                       void *userdata) {
    struct removal *r = userdata;

    (void)what;
    (void)bytes;
    if (failure) {
        r->failed = true;
        cli_print_safe(csb_error_message(failure));
    } else if (!r->o->quiet) {
        printf("Removed %s.\n", path);
    }
}

/* With a prefix it is about those VMs and nothing else. */
static int find_leftovers(struct prune *p, csb_error **err) {
    return p->o->n_names ? 0 : csb_ctx_clean(p->ctx, CSB_CLEAN_DRY_RUN, on_found, p, err);
}

static int remove_leftovers(const struct prune *p) {
    struct removal r = {p->o, false};
    csb_error *err = NULL;

    if (p->o->n_names) {
        return 0;
    }
    if (csb_ctx_clean(p->ctx, 0, on_removed, &r, &err) != 0) {
        return cli_report(err);
    }
    return r.failed ? EXIT_SANDBOX : 0;
}

/* ---------------------------------------------------------------------------------------------- */

static int prune(struct prune *p, const csb_vm_list *list) {
    csb_error *err = NULL;
    int status;
    int cleaned;

    choose(p, list);
    if (find_leftovers(p, &err) != 0) {
        return cli_report(err);
    }
    if (p->n == 0 && p->o->n_names && !p->o->quiet) {
        cli_print_safe("there is no such VM to delete");
    }
    fflush(stdout);
    if (p->n + p->n_leftovers == 0 || p->o->dry_run) {
        return 0;
    }
    if (!cli_confirm(p->o, "Delete %s, with everything but the projects?",
                     p->n + p->n_leftovers == 1 ? "it" : "them")) {
        return EXIT_INTERRUPTED;
    }
    status = cli_parallel(p->o, p->names, p->n, delete);
    cleaned = status == EXIT_INTERRUPTED ? 0 : remove_leftovers(p);
    return status ? status : cleaned;
}

static int run(csb_ctx *ctx, const struct cli_options *o) {
    struct prune p = {.ctx = ctx, .o = o};
    csb_vm_list *list = NULL;
    csb_error *err = NULL;
    int status;

    if (o->n_names > 1) {
        return cli_usage_error("prune takes one prefix at most");
    }
    if (o->n_names > 0 && o->leftovers) {
        return cli_usage_error("either --leftovers or a prefix of VMs, not both");
    }
    if (csb_vm_list_new(ctx, &list, &err) != 0) {
        return cli_report(err);
    }
    p.names = calloc(csb_vm_list_count(list) + 1, sizeof(*p.names));
    status = p.names ? prune(&p, list) : EXIT_SANDBOX;
    free(p.names);
    csb_vm_list_free(list);
    return status;
}

const struct cli_command cmd_prune = {
    .name = "prune",
    .arguments = "[PREFIX]",
    .summary = "delete all stopped VMs (-f: running ones too) and leftovers; --dry-run",
    .takes_names = true,
    .run = run,
};
