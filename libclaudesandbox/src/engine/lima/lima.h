/* SPDX-License-Identifier: MIT */
/* What the files of this engine share. */
#ifndef CSB_ENGINE_LIMA_LIMA_H
#define CSB_ENGINE_LIMA_LIMA_H

#include "engine/engine.h"
#include "engine/lima/limactl.h"
#include "engine/lima/parse.h"

/* A directory in the home; in doubt there is one. */
bool csb__lima_has_dir(const char *home, const char *name);
/* What is listed lands in `ret`. limactl fails when it misses one name of many: why it failed then
 * lands in *why, and those it found are there. */
int csb__lima_list(const struct csb__limactl *l, const char *const *names, size_t n,
                   struct csb__lima_list *ret, csb_error **why, csb_error **err);
/* One machine as limactl sees it; `ret` owns the record. ENOTFOUND. */
int csb__lima_look_up(const struct csb__limactl *l, const char *name, struct csb__lima_list *ret,
                      csb_error **err);
/* CSB_VM_...: what Lima says, corrected by what is really there. */
int csb__lima_state(const char *home, const struct csb__lima_record *r);
/* EPROTOCOL unless the machine's effective configuration shares what the spec asks for. */
int csb__lima_verify(const struct csb__limactl *l, const struct csb__spec *spec, csb_error **err);

/* The present home: absolute, its links resolved as Lima does. To be freed. */
int csb__lima_home(struct csb__env *env, char **ret, csb_error **err);

/* inspect.c */
int csb__lima_inspect(struct csb__env *env, const char *name, const char *home,
                      struct csb__machine *ret, csb_error **err);
int csb__lima_inspect_all(struct csb__env *env, const char *const *names, size_t n,
                          const char *home, struct csb__machine *rets, int *codes, csb_error **err);

/* create.c */
int csb__lima_create(struct csb__env *env, const struct csb__spec *spec,
                     const struct csb__source *source, csb_error **err);
int csb__lima_clone(struct csb__env *env, const struct csb__spec *spec,
                    const struct csb__source *source, csb_error **err);
int csb__lima_configure(struct csb__env *env, const struct csb__spec *spec, const char *home,
                        csb_error **err);
/* start.c */
int csb__lima_start(struct csb__env *env, const struct csb__spec *spec, const char *home,
                    csb_error **err);
/* stop.c */
int csb__lima_stop(struct csb__env *env, const char *name, const char *home, unsigned flags,
                   csb_error **err);
int csb__lima_remove(struct csb__env *env, const char *name, const char *home, csb_error **err);

/* rename.c */
int csb__lima_rename(struct csb__env *env, const char *name, const char *new_name, const char *home,
                     csb_error **err);
int csb__lima_protect(struct csb__env *env, const char *name, const char *home, bool on,
                      csb_error **err);

#endif
