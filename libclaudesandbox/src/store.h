/* SPDX-License-Identifier: MIT */
/* The records of our machines, a file each in the state directory. */
#ifndef CSB_STORE_H
#define CSB_STORE_H

#include "core/env.h"
#include "core/strbuf.h"
#include "model/record.h"

/* ENOTFOUND when there is none of that name. */
int csb__store_load(struct csb__env *env, const char *name, struct csb__record *ret,
                    csb_error **err);
int csb__store_save(struct csb__env *env, const struct csb__record *record, csb_error **err);
int csb__store_remove(struct csb__env *env, const char *name, csb_error **err);
/* The names of all of them, also of those that can't be read. */
int csb__store_names(struct csb__env *env, struct csb__strv *ret, csb_error **err);
/* All of them, sorted by name; those that can't be read are left out and logged, unless it is for
 * want of memory or descriptors, or the disk fails: without them, others would be taken for free. */
int csb__store_list(struct csb__env *env, struct csb__record **ret, size_t *n, csb_error **err);
void csb__store_list_free(struct csb__record *records, size_t n);

/* The template whose scripts a machine has yet to run, as it was read when the machine was made;
 * goes with the record. ENOTFOUND when there is none. */
int csb__store_load_template(struct csb__env *env, const char *name, struct csb__strbuf *ret,
                             csb_error **err);
/* NULL for none. */
int csb__store_save_template(struct csb__env *env, const char *name, const char *text,
                             csb_error **err);

#endif
