/* SPDX-License-Identifier: MIT */
/* The scripts of the template that a machine was made from: run at its first start. */
#include "vm_provision.h"

#include "guest/provision.h"
#include "store.h"

bool csb__vm_is_provisioned(csb_vm *vm) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;

    return csb__store_load_template(&vm->ctx->env, vm->record.spec.name, &text, NULL) ==
           CSB_ENOTFOUND;
}

static int run_scripts(csb_vm *vm, const struct csb__strbuf *text, csb_error **err) {
    CSB__AUTOTEMPLATE t = {0};
    int rc = csb__template_parse(csb__strbuf_text(text), text->len, "the template", &t, err);

    if (rc == 0) {
        rc = csb__provision(&vm->ctx->env, &vm->machine.door, &t, err);
    }
    if (rc == CSB_EENGINE) {
        csb__error_set_hint(err,
                            "start it again to go on at that script, or mend the template and: "
                            "claude-sandbox delete %s",
                            csb_vm_name(vm));
    }
    return rc;
}

int csb__vm_provision(csb_vm *vm, csb_error **err) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTOERROR csb_error *e = NULL;
    const char *name = vm->record.spec.name;
    int rc = csb__store_load_template(&vm->ctx->env, name, &text, &e);

    if (rc != 0) {
        return rc == CSB_ENOTFOUND ? 0 : csb__error_propagate(err, CSB__STEAL(e));
    }
    if (!vm->engine->provisions) {
        rc = run_scripts(vm, &text, err);
    }
    return rc == 0 ? csb__store_save_template(&vm->ctx->env, name, NULL, err) : rc;
}
