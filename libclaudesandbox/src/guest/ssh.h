/* SPDX-License-Identifier: MIT */
/* The one door into a guest. Everything goes over a connection that is kept open between calls
 * (an ssh master), because a new one costs ten times as much. */
#ifndef CSB_GUEST_SSH_H
#define CSB_GUEST_SSH_H

#include "core/process.h"
#include "engine/engine.h"

/* Whether the connection is open. Starts nothing. */
bool csb__ssh_is_connected(const struct csb__door *door);
/* Opens the connection unless it is open. EENGINE with what ssh said. */
int csb__ssh_connect(struct csb__env *env, const struct csb__door *door, csb_error **err);

/* Runs a script there and collects what it says; EENGINE when ssh itself failed, with 255. */
int csb__ssh_run(struct csb__env *env, const struct csb__door *door, const char *script,
                 const char *input, struct csb__run_result *ret, csb_error **err);

/* The same with bytes for its stdin. */
int csb__ssh_put(struct csb__env *env, const struct csb__door *door, const char *script,
                 const struct csb__strbuf *bytes, struct csb__run_result *ret, csb_error **err);

/* The same for work that may take as long as the public call may: each line of its output is logged
 * as it comes, and the end of it stays in ret->out. */
int csb__ssh_work(struct csb__env *env, const struct csb__door *door, const char *script,
                  const char *input, struct csb__run_result *ret, csb_error **err);

/* How an argv begins that uses the master, and never becomes one by accident. */
void csb__ssh_argv(struct csb__strv *argv, const struct csb__door *door);
/* EENGINE with what an ssh that failed said. */
int csb__ssh_fail(struct csb__run_result *r, const char *what, csb_error **err);

/* Asks the open connection for a forward ("forward") or for its end ("cancel"): direction -L or -R
 * and spec as in ssh(1). One that is there already is fine. */
int csb__ssh_forward(struct csb__env *env, const struct csb__door *door, const char *verb,
                     const char *direction, const char *spec, csb_error **err);

/* Makes port of the guest's loopback (sshd binds nothing else unless told to) lead to host_addr:port of the host; fine when it does. */
int csb__ssh_carry_port(struct csb__env *env, const struct csb__door *door, const char *host_addr,
                        int port, csb_error **err);

/* Closes the connection, if there is one. */
void csb__ssh_disconnect(struct csb__env *env, const struct csb__door *door);

#endif
