/* SPDX-License-Identifier: MIT */
#include "guest/api_key.h"

#include <string.h>

#include "guest/ssh.h"

/* See the facts on Claude Code, "Interactive start without dialogs". */
#define TAIL 20
#define KEY_MIN 60

/* Claude Code writes this file all the time: it is replaced in one step, and only when the answer
 * is not there yet. The tail comes by stdin and stays out of argument lists. */
static const char script[] =
    "f=$HOME/.claude.json; read -r CSB_TAIL; export CSB_TAIL\n"
    "mountpoint -q \"$HOME\" && exit 0\n"
    "umask 077; t=$(mktemp \"$f.XXXXXX\") || exit 0\n"
    "if command -v jq >/dev/null; then\n"
    "    jq 'if (.customApiKeyResponses.approved // []) | index(env.CSB_TAIL) then empty else"
    " .customApiKeyResponses.approved += [env.CSB_TAIL] end' \"$f\" >\"$t\" || : >\"$t\"\n"
    "else\n"
    "    python3 -c 'import json, os, sys\n"
    "config = json.load(open(sys.argv[1]))\n"
    "said = config.setdefault(\"customApiKeyResponses\", {}).setdefault(\"approved\", [])\n"
    "if os.environ[\"CSB_TAIL\"] not in said:\n"
    "    said.append(os.environ[\"CSB_TAIL\"])\n"
    "    json.dump(config, sys.stdout)' \"$f\" >\"$t\" || : >\"$t\"\n"
    "fi\n"
    "if [ -s \"$t\" ]; then mv -f \"$t\" \"$f\"; else rm -f \"$t\"; fi\n";

int csb__api_key_approve(struct csb__env *env, const struct csb__door *door, const char *key,
                         csb_error **err) {
    CSB__AUTOSTRBUF input = CSB__STRBUF_INIT;
    CSB__AUTORESULT result = {0};
    size_t len = strlen(key);
    int rc;

    if (len < KEY_MIN || strchr(key + len - TAIL, '\n')) {
        return 0;
    }
    csb__strbuf_printf(&input, "%s\n", key + len - TAIL);
    if (input.failed) {
        return csb__fail_nomem(err);
    }
    rc = csb__ssh_run(env, door, script, csb__strbuf_text(&input), &result, err);
    if (rc == 0 && result.status != 0) {
        csb__log(env, CSB_LOG_INFO, "Claude Code will ask about the API key: %s",
                 csb__strbuf_last_line(&result.errout));
    }
    return rc;
}
