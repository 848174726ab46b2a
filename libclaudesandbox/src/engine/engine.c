/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"

#include <stdio.h>
#include <string.h>

#include "core/strbuf.h"

/* In the order of preference. */
static const struct csb__engine *const engines[] = {
    &csb__engine_lima,
#ifdef __linux__
    &csb__engine_qemu,
#endif
    NULL,
};

const struct csb__engine *csb__engine_get(size_t i) {
    return i < sizeof(engines) / sizeof(engines[0]) ? engines[i] : NULL;
}

const struct csb__engine *csb__engine_by_name(const char *name) {
    for (int i = 0; engines[i]; i++) {
        if (strcmp(engines[i]->name, name) == 0) {
            return engines[i];
        }
    }
    return NULL;
}

static int choose_wanted(struct csb__env *env, const char *wanted, const struct csb__engine **ret,
                         char **why, csb_error **err) {
    const struct csb__engine *engine = csb__engine_by_name(wanted);
    CSB__AUTOFREE char *what = NULL;
    int rc;

    if (!engine) {
        return csb__fail(err, CSB_EINVAL, "there is no engine \"%s\", only lima and qemu", wanted);
    }
    rc = engine->probe(env, &what, err);
    if (rc != 0) {
        csb__error_prepend(err, "engine %s", wanted);
        return rc;
    }
    if (asprintf(why, "%s, as asked for: %s", wanted, what) < 0) {
        *why = NULL;
        return csb__fail_nomem(err);
    }
    *ret = engine;
    return 0;
}

int csb__engine_choose(struct csb__env *env, const char *wanted, const struct csb__engine **ret,
                       char **why, csb_error **err) {
    CSB__AUTOSTRBUF lacks = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF hints = CSB__STRBUF_INIT;

    if (wanted) {
        return choose_wanted(env, wanted, ret, why, err);
    }
    for (int i = 0; engines[i]; i++) {
        CSB__AUTOERROR csb_error *e = NULL;
        CSB__AUTOFREE char *what = NULL;

        if (engines[i]->probe(env, &what, &e) == 0) {
            if (asprintf(why, "%s: %s%s%s", engines[i]->name, what, lacks.len ? "; not " : "",
                         csb__strbuf_text(&lacks)) < 0) {
                *why = NULL;
                return csb__fail_nomem(err);
            }
            *ret = engines[i];
            return 0;
        }
        if (csb_error_code(e) != CSB_ENOENGINE) {
            return csb__error_propagate(err, CSB__STEAL(e));
        }
        csb__strbuf_printf(&lacks, "%s%s: %s", lacks.len ? "; " : "", engines[i]->name,
                           csb_error_message(e));
        csb__strbuf_printf(&hints, "%s%s", hints.len ? "; or " : "", csb_error_hint(e));
    }
    csb__fail(err, CSB_ENOENGINE, "no usable VM engine (%s)", csb__strbuf_text(&lacks));
    csb__error_set_hint(err, "%s", csb__strbuf_text(&hints));
    return CSB_ENOENGINE;
}

void csb__machine_finish(struct csb__machine *m) {
    free(m->reason);
    free(m->door.ssh_config);
    free(m->door.ssh_host);
    free(m->door.control_path);
    *m = (struct csb__machine){0};
}
