/* SPDX-License-Identifier: MIT */
#include "guest/setup.h"

#include <string.h>

#include "core/posix.h"
#include "guest/git_identity.h"
#include "guest/keeper.h"
#include "guest/mounts.h"
#include "guest/script.h"
#include "guest/socket.h"
#include "guest/ssh.h"
#include "guest/wiring.h"

#define MARK "--- mountinfo ---\n"
#define PLACE "place "
#define KEEPER "keeper "

/* What an engine could not mount at its place is bound there. The place may be anywhere, so root
 * makes it; directories on the way that are missing belong to root, which is as on any Unix. */
static void bind_mounts(struct csb__strbuf *out, const struct csb__engine *engine,
                        const struct csb__spec *spec) {
    for (size_t i = 0; engine->mount_point && i < spec->n_mounts; i++) {
        CSB__AUTOFREE char *from = engine->mount_point(spec, i);

        if (from) {
            csb__strbuf_puts(out, "bind ");
            csb__shell_quote(out, from);
            csb__strbuf_puts(out, " ");
            csb__shell_quote(out, spec->mounts[i].guest_path);
            csb__strbuf_puts(out, "\n");
        }
    }
}

/* Dialogs that a virgin home brings up: see the facts on Claude Code, "Interactive start without
 * dialogs". The file is Claude's own from then on. */
static const char home_part[] =
    "[ -d \"$HOME/.claude\" ] || mkdir -p \"$HOME/.claude\"\n"
    "if ! [ -e \"$HOME/.claude.json\" ]; then\n"
    "    printf '%s\\n' '{\"hasCompletedOnboarding\": true, \"hasSeenAutoDefaultNudge\": true}'"
    " >\"$HOME/.claude.json\"\n"
    "fi\n";

static const char managed_part[] =
    "if ! [ -e /etc/claude-code/managed-settings.json ]; then\n"
    "    sudo mkdir -p /etc/claude-code\n"
    "    printf '%s\\n' '{\"skipDangerousModePermissionPrompt\": true,"
    " \"env\": {\"DISABLE_AUTOUPDATER\": \"1\"}}' |"
    " sudo tee /etc/claude-code/managed-settings.json >/dev/null\n"
    "fi\n";

/* Name by name: conversations and other state stay in the VM. */
const char *const csb__setup_settings[] = {"settings.json", "CLAUDE.md", ".credentials.json",
                                           "hooks",         "commands",  "skills",
                                           "agents",        "plugins",   NULL};

static const char settings_part[] = "do\n"
                                    "    place=\"$HOME/.claude/$name\"\n"
                                    "    if [ -L \"$place\" ] || ! [ -e \"$place\" ]; then\n"
                                    "        if [ -e \"" CSB__SETTINGS_GUEST_PATH
                                    "/$name\" ]; then\n"
                                    "            ln -sfn \"" CSB__SETTINGS_GUEST_PATH
                                    "/$name\" \"$place\"\n"
                                    "        fi\n"
                                    "    fi\n"
                                    "done\n";

/* A home that is a share of the host has everything, and is not ours to arrange. */
static void arrange_home(struct csb__strbuf *out, const struct csb__spec *spec) {
    csb__strbuf_puts(out, "case $HOME in\n");
    for (size_t i = 0; i < spec->n_mounts; i++) {
        csb__shell_quote(out, spec->mounts[i].guest_path);
        csb__strbuf_puts(out, ") ;;\n");
    }
    csb__strbuf_puts(out, "*)\n");
    csb__strbuf_puts(out, home_part);
    if (spec->settings_dir) {
        csb__strbuf_puts(out, "for name in");
        for (int i = 0; csb__setup_settings[i]; i++) {
            csb__strbuf_printf(out, " %s", csb__setup_settings[i]);
        }
        csb__strbuf_puts(out, "; ");
        csb__strbuf_puts(out, settings_part);
    }
    csb__strbuf_puts(out, ";;\nesac\n");
}

/* Most of it finds nothing to do, and starts no process then: each takes 30 ms where guests are
 * emulated. */
void csb__setup_script(struct csb__strbuf *out, const struct csb__engine *engine,
                       const struct csb__spec *spec) {
    /* In braces, for the shell has to have read all of it before a command in it reads from the same
     * place. */
    csb__strbuf_puts(out, "{\n"
                          "set -u\n"
                          "bind() {\n"
                          "    if ! mountpoint -q \"$2\"; then\n"
                          "        sudo mkdir -p \"$2\" && sudo mount --bind \"$1\" \"$2\"\n"
                          "    fi\n"
                          "}\n");
    bind_mounts(out, engine, spec);
    arrange_home(out, spec);
    csb__strbuf_puts(out, managed_part);
    csb__wiring_script(out);
    csb__strbuf_puts(out, "printf '" PLACE "'\n");
    csb__strbuf_puts(out, csb__socket_place_script);
    csb__strbuf_puts(out, "printf '\\n" KEEPER "'\n"
                          "[ -x " CSB__KEEPER_PATH " ] && printf yes\n");
    csb__strbuf_puts(out, "printf '\\n%s\\n' '--- mountinfo ---'\nexec cat /proc/self/mountinfo\n"
                          "} </dev/null\n");
}

/* The engine said that sshd can be expected to answer, not that it does. */
static int wait_for_ssh(struct csb__env *env, const struct csb__door *door, csb_error **err) {
    for (;;) {
        CSB__AUTOERROR csb_error *e = NULL;
        int rc = csb__ssh_connect(env, door, &e);

        if (rc != CSB_EENGINE && rc != CSB_ETIMEOUT) {
            return rc == 0 ? 0 : csb__error_propagate(err, CSB__STEAL(e));
        }
        csb__log(env, CSB_LOG_DEBUG, "ssh: %s", csb_error_message(e));
        rc = csb__env_wait(env, 250, "waiting for ssh", NULL);
        if (rc == CSB_ECANCELED) {
            return csb__fail(err, rc, "cancelled");
        }
        if (rc != 0) {
            csb__error_prepend(&e, "the VM never answered ssh");
            return csb__error_propagate(err, CSB__STEAL(e));
        }
    }
}

void csb__found_finish(struct csb__found *found) {
    free(found->place);
    *found = (struct csb__found){0};
}

/* What stands behind `name` in the lines before the mounts; "" where there is no such line. NULL: no
 * memory. */
static char *take_line(const char *text, const char *mark, const char *name) {
    const char *at = strstr(text, name);

    at = at && at < mark ? at + strlen(name) : "";
    return strndup(at, strcspn(at, "\n"));
}

/* Of what a guest says, only what we expect. */
static int take_found(const char *text, const char *mark, struct csb__found *ret, csb_error **err) {
    CSB__AUTOFREE char *place = take_line(text, mark, PLACE);
    CSB__AUTOFREE char *keeper = take_line(text, mark, KEEPER);

    if (!place || !keeper) {
        return csb__fail_nomem(err);
    }
    ret->place = csb__socket_is_place(place) ? CSB__STEAL(place) : NULL;
    ret->keeper = strcmp(keeper, "yes") == 0 ? CSB__KEEPER_PATH : NULL;
    return 0;
}

static int set_up(struct csb__env *env, const struct csb__engine *engine,
                  const struct csb__spec *spec, const struct csb__door *door, bool fresh,
                  struct csb__found *found, csb_error **err) {
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTORESULT result = {0};
    const char *mark;
    int rc = wait_for_ssh(env, door, err);

    if (rc != 0) {
        return rc;
    }
    if (fresh) {
        rc = csb__git_identity(env, &script, err);
        if (rc != 0) {
            return rc;
        }
    }
    csb__setup_script(&script, engine, spec);
    if (script.failed) {
        return csb__fail_nomem(err);
    }
    rc = csb__ssh_run(env, door, "exec /bin/sh -s", csb__strbuf_text(&script), &result, err);
    if (rc != 0) {
        return rc;
    }
    mark = strstr(csb__strbuf_text(&result.out), MARK);
    if (!mark) {
        csb__fail(err, CSB_EPROTOCOL, "the VM could not be prepared");
        csb__error_set_child(err, result.status, csb__strbuf_text(&result.errout),
                             result.errout.len);
        return CSB_EPROTOCOL;
    }
    rc = csb__mounts_check(mark + strlen(MARK), engine, spec, err);
    if (rc == 0) {
        rc = take_found(csb__strbuf_text(&result.out), mark, found, err);
    }
    if (rc == 0 && fresh && !found->keeper) {
        bool there = false;

        rc = csb__keeper_bring(env, door, &there, err);
        found->keeper = there ? CSB__KEEPER_PATH : NULL;
    }
    return rc;
}

/* A guest that shuts down has let go of its mounts before its sshd. One that is gone has ended what
 * it was asked in. */
static bool is_going_down(struct csb__env *env, const struct csb__door *door) {
    CSB__AUTORESULT result = {0};
    int rc = csb__ssh_run(env, door, "systemctl is-system-running", NULL, &result, NULL);

    return rc == CSB_EENGINE ||
           (rc == 0 && strcmp(csb__strbuf_last_line(&result.out), "stopping") == 0);
}

int csb__guest_setup(struct csb__env *env, const struct csb__engine *engine,
                     const struct csb__spec *spec, const struct csb__door *door, bool fresh,
                     struct csb__found *ret, csb_error **err) {
    CSB__AUTOERROR csb_error *e = NULL;
    int rc = set_up(env, engine, spec, door, fresh, ret, &e);

    if (rc == CSB_EPROTOCOL && !fresh && is_going_down(env, door)) {
        csb__fail(err, CSB_ESTATE, "the VM is shutting down or rebooting");
        csb__error_set_hint(err, "try again in a moment");
        return CSB_ESTATE;
    }
    return rc == 0 ? 0 : csb__error_propagate(err, CSB__STEAL(e));
}
