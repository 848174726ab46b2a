/* SPDX-License-Identifier: MIT */
#include "guest/keeper.h"

#include "core/posix.h"
#include "guest/ssh.h"

#define MAX ((size_t)8 << 20)

/* In one step, for somebody may be using another; only if it runs, and says how it is used; 3: it is for
 * another machine. */
static const char script[] = "[ \"$(uname -sm)\" = 'Linux " CSB__HELPER_MACHINE "' ] || exit 3\n"
                             "sudo -n sh -c 'mkdir -p " CSB__KEEPER_DIR " && cat >" CSB__KEEPER_PATH
                             ".$$ &&\n"
                             "    chmod 755 " CSB__KEEPER_PATH ".$$ &&\n"
                             "    { " CSB__KEEPER_PATH ".$$ keeper 2>/dev/null; [ $? = 2 ]; } &&\n"
                             "    mv " CSB__KEEPER_PATH ".$$ " CSB__KEEPER_PATH " ||\n"
                             "    { rm -f " CSB__KEEPER_PATH ".$$; exit 1; }' &&\n"
                             "[ -x " CSB__KEEPER_PATH " ]\n";

int csb__keeper_bring(struct csb__env *env, const struct csb__door *door, bool *ret,
                      csb_error **err) {
    CSB__AUTOFREE char *path = csb__env_helper(env);
    CSB__AUTOSTRBUF bytes = CSB__STRBUF_INIT;
    CSB__AUTORESULT result = {0};
    CSB__AUTOERROR csb_error *e = NULL;
    int rc;

    *ret = false;
    if (!path || csb__read_file(path, MAX, &bytes) != 0) {
        return 0;
    }
    rc = csb__ssh_put(env, door, script, &bytes, &result, &e);
    if (rc == CSB_ECANCELED || rc == CSB_ENOMEM) {
        return csb__error_propagate(err, CSB__STEAL(e));
    }
    *ret = rc == 0 && result.status == 0;
    if (!*ret) {
        csb__log(env, CSB_LOG_DEBUG, "the VM takes no csb-guest: %s",
                 e ? csb_error_message(e) : csb__strbuf_text(&result.errout));
    }
    return 0;
}
