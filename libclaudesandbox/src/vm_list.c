/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "store.h"
#include "vm.h"
#include "vm_rename.h"

#define LIST_TIMEOUT_MS (60 * 1000)

struct csb_vm_list {
    csb_vm **vms;
    size_t n;
};

static bool same_place(const csb_vm *a, const csb_vm *b) {
    return a->engine == b->engine && strcmp(a->record.engine_home, b->record.engine_home) == 0;
}

struct group {
    csb_vm **vms;
    const char **names;
    struct csb__machine *machines;
    int *codes;
    size_t n;
};

static void take_answers(struct group *g, int rc, const char *message) {
    for (size_t i = 0; i < g->n; i++) {
        if (rc == 0 && g->codes[i] == 0) {
            csb__machine_finish(&g->vms[i]->machine);
            g->vms[i]->machine = g->machines[i];
            continue;
        }
        if (rc == 0 && g->codes[i] == CSB_ENOTFOUND) {
            csb__vm_set_gone(g->vms[i]);
        } else {
            const char *reason = g->machines[i].reason;

            csb__vm_set_broken(g->vms[i], rc != 0  ? message
                                          : reason ? reason
                                                   : csb_strerror(g->codes[i]));
        }
        csb__machine_finish(&g->machines[i]);
    }
}

/* Asks one engine about all its machines in one home at once: with limactl every question costs a
 * process. */
static int ask_group(struct csb__env *env, struct group *g, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    const csb_vm *first = g->vms[0];
    int rc = first->engine->inspect_all(env, g->names, g->n, first->record.engine_home, g->machines,
                                        g->codes, &e);

    take_answers(g, rc, csb_error_message(e));
    return rc == CSB_ECANCELED || rc == CSB_ENOMEM ? csb__error_propagate(err, CSB__STEAL(e)) : 0;
}

/* Into the group, unless it can't be asked. */
static void take_vm(struct group *g, csb_vm *vm) {
    if (csb__vm_can_be_asked(vm)) {
        g->vms[g->n] = vm;
        g->names[g->n++] = vm->record.spec.name;
    }
    csb__vm_look_for_maker(vm);
}

static int ask_groups(struct csb__env *env, csb_vm_list *list, struct group *g, bool *asked,
                      csb_error **err) {
    int rc = 0;

    for (size_t i = 0; i < list->n && rc == 0; i++) {
        g->n = 0;
        for (size_t j = i; j < list->n; j++) {
            if (!asked[j] && same_place(list->vms[i], list->vms[j])) {
                asked[j] = true;
                take_vm(g, list->vms[j]);
            }
        }
        if (g->n > 0) {
            memset(g->machines, 0, g->n * sizeof(*g->machines));
            memset(g->codes, 0, g->n * sizeof(*g->codes));
            rc = ask_group(env, g, err);
        }
    }
    return rc;
}

static int ask_all(struct csb__env *env, csb_vm_list *list, csb_error **err) {
    size_t n = list->n + 1;
    CSB__AUTOFREE csb_vm **vms = calloc(n, sizeof(csb_vm *));
    CSB__AUTOFREE const char **names = calloc(n, sizeof(char *));
    CSB__AUTOFREE struct csb__machine *machines = calloc(n, sizeof(*machines));
    CSB__AUTOFREE int *codes = calloc(n, sizeof(int));
    CSB__AUTOFREE bool *asked = calloc(n, sizeof(bool));
    struct group g = {vms, names, machines, codes, 0};

    if (!vms || !names || !machines || !codes || !asked) {
        return csb__fail_nomem(err);
    }
    return ask_groups(env, list, &g, asked, err);
}

static int take_records(csb_ctx *ctx, csb_vm_list *list, struct csb__record *records, size_t n,
                        csb_error **err) {
    list->vms = calloc(n + 1, sizeof(csb_vm *));
    if (!list->vms) {
        return csb__fail_nomem(err);
    }
    for (size_t i = 0; i < n; i++) {
        csb_vm *vm = calloc(1, sizeof(*vm));

        if (!vm) {
            return csb__fail_nomem(err);
        }
        vm->ctx = ctx;
        vm->record = records[i];
        records[i] = (struct csb__record){0};
        vm->engine = csb__engine_by_name(vm->record.engine);
        list->vms[list->n++] = vm;
    }
    return 0;
}

int csb_vm_list_new(csb_ctx *ctx, csb_vm_list **ret, csb_error **err) {
    csb_vm_list *list = calloc(1, sizeof(*list));
    struct csb__record *records = NULL;
    size_t n = 0;
    int rc;

    if (!list) {
        return csb__fail_nomem(err);
    }
    csb__env_begin(&ctx->env, LIST_TIMEOUT_MS);
    csb__rename_settle(ctx);
    rc = csb__store_list(&ctx->env, &records, &n, err);
    if (rc == 0) {
        rc = take_records(ctx, list, records, n, err);
        csb__store_list_free(records, n);
    }
    if (rc == 0) {
        rc = ask_all(&ctx->env, list, err);
    }
    if (rc != 0) {
        csb_vm_list_free(list);
        return rc;
    }
    *ret = list;
    return 0;
}

size_t csb_vm_list_count(const csb_vm_list *list) {
    return list->n;
}

csb_vm *csb_vm_list_get(const csb_vm_list *list, size_t i) {
    return i < list->n ? list->vms[i] : NULL;
}

void csb_vm_list_free(csb_vm_list *list) {
    if (list) {
        for (size_t i = 0; i < list->n; i++) {
            csb_vm_free(list->vms[i]);
        }
        free(list->vms);
        free(list);
    }
}
