/* SPDX-License-Identifier: MIT */
#include "guest/provision.h"

#include <stdio.h>
#include <string.h>

#include "core/posix.h"
#include "guest/script.h"
#include "guest/ssh.h"

/* A line for each script that has run. */
#define NOTE_DIR "/var/lib/claude-sandbox"
#define NOTE NOTE_DIR "/provisioned"
#define PROFILE "/etc/profile.d/claude-sandbox-template.sh"

static void add_export(struct csb__strbuf *out, const char *prefix,
                       const struct csb__template_pair *pair) {
    csb__strbuf_printf(out, "export %s%s=", prefix, pair->name);
    csb__shell_quote(out, pair->value);
    csb__strbuf_puts(out, "\n");
}

void csb__provision_script(struct csb__strbuf *out, const struct csb__template *t, size_t index,
                           const char *token) {
    const struct csb__template_script *script = &t->scripts[index];
    size_t len = strlen(script->text);

    for (size_t i = 0; i < t->n_env; i++) {
        add_export(out, "", &t->env[i]);
    }
    for (size_t i = 0; i < t->n_params; i++) {
        add_export(out, "PARAM_", &t->params[i]);
    }
    csb__strbuf_printf(out, "umask 022\nf=/var/tmp/.csb-provision-%s\ncat >\"$f\" <<'CSB-END-%s'\n",
                       token, token);
    csb__strbuf_add(out, script->text, len);
    csb__strbuf_printf(out, "%sCSB-END-%s\nchmod 755 \"$f\"\n",
                       len > 0 && script->text[len - 1] == '\n' ? "" : "\n", token);
    /* As Lima does: a login of the user, but a plain process of root. */
    csb__strbuf_puts(out,
                     script->as_user
                         ? "cd\n\"${SHELL:-/bin/sh}\" -lc 'exec \"$0\"' \"$f\" </dev/null 2>&1\n"
                         : "cd /\n\"$f\" </dev/null 2>&1\n");
    /* What it did, also one that failed, must be on the disk before the note says so, and before a
     * start that failed pulls the plug. 255 would be ssh's own failure. */
    csb__strbuf_printf(out,
                       "status=$?\nrm -f \"$f\"\nsync\n"
                       "[ $status -ne 255 ] || status=254\n"
                       "if [ $status -eq 0 ]; then\n"
                       "    sudo -n mkdir -p " NOTE_DIR " &&\n"
                       "        echo %zu | sudo -n tee -a " NOTE " >/dev/null && sync\n"
                       "fi\n"
                       "exit $status\n",
                       index);
}

/* For logins by the profile, since our sshd has no PAM; for what PAM starts by its own file. */
void csb__provision_env_script(struct csb__strbuf *out, const struct csb__template *t) {
    if (t->n_env == 0) {
        return;
    }
    csb__strbuf_puts(out, "umask 022\ncat >" PROFILE " <<'CSB-END'\n");
    for (size_t i = 0; i < t->n_env; i++) {
        add_export(out, "", &t->env[i]);
    }
    csb__strbuf_puts(out, "CSB-END\n");
    for (size_t i = 0; i < t->n_env; i++) {
        CSB__AUTOSTRBUF line = CSB__STRBUF_INIT;

        csb__strbuf_printf(&line, "%s=%s", t->env[i].name, t->env[i].value);
        csb__strbuf_puts(out, "line=");
        csb__shell_quote(out, csb__strbuf_text(&line));
        csb__strbuf_puts(out, "\ngrep -qxF -- \"$line\" /etc/environment 2>/dev/null ||"
                              " printf '%s\\n' \"$line\" >>/etc/environment\n");
        out->failed |= line.failed;
    }
}

static int fail_child(struct csb__run_result *r, const char *what, csb_error **err) {
    csb__fail(err, CSB_EENGINE, "%s", what);
    csb__error_set_child(err, r->status, csb__strbuf_text(&r->errout), r->errout.len);
    return CSB_EENGINE;
}

static int set_env(struct csb__env *env, const struct csb__door *door,
                   const struct csb__template *t, csb_error **err) {
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTORESULT result = {0};
    int rc;

    csb__provision_env_script(&script, t);
    if (script.failed) {
        return csb__fail_nomem(err);
    }
    if (script.len == 0) {
        return 0;
    }
    rc = csb__ssh_run(env, door, "exec sudo -n /bin/sh -s", csb__strbuf_text(&script), &result,
                      err);
    if (rc == 0 && result.status != 0) {
        rc = fail_child(&result, "the template's variables could not be set", err);
    }
    return rc;
}

/* The guest's word, and so only ever good for leaving something out. */
static int read_note(struct csb__env *env, const struct csb__door *door,
                     bool done[CSB__TEMPLATE_SCRIPTS_MAX], csb_error **err) {
    CSB__AUTORESULT result = {0};
    const char *p;
    int rc = csb__ssh_run(env, door, "cat " NOTE " 2>/dev/null", NULL, &result, err);

    if (rc != 0) {
        return rc;
    }
    for (p = csb__strbuf_text(&result.out); *p; p += strcspn(p, "\n"), p += *p == '\n') {
        unsigned index;

        if (sscanf(p, "%2u", &index) == 1 && index < CSB__TEMPLATE_SCRIPTS_MAX) {
            done[index] = true;
        }
    }
    return 0;
}

/* Why the script failed, if it did, lands in *why. */
static int run_one(struct csb__env *env, const struct csb__door *door,
                   const struct csb__template *t, size_t index, csb_error **why, csb_error **err) {
    const struct csb__template_script *s = &t->scripts[index];
    CSB__AUTOSTRBUF script = CSB__STRBUF_INIT;
    CSB__AUTORESULT r = {0};
    char token[17];
    char what[64];
    int rc;

    if (csb__random_hex(token, 16) != 0) {
        return csb__fail(err, CSB_ESYSTEM, "no random numbers");
    }
    csb__provision_script(&script, t, index, token);
    if (script.failed) {
        return csb__fail_nomem(err);
    }
    snprintf(what, sizeof(what), "running the template's script of line %d", s->line);
    csb__progress(env, (int)index + 1, (int)t->n_scripts, what);
    rc = csb__ssh_work(env, door, s->as_user ? "exec /bin/sh -s" : "exec sudo -n /bin/sh -s",
                       csb__strbuf_text(&script), &r, err);
    if (rc == 0 && r.status != 0) {
        csb__strbuf_add(&r.out, r.errout.data, r.errout.len);
        csb__strbuf_keep_tail(&r.out, 8192);
        csb__fail(why, CSB_EENGINE, "the template's script of line %d ended with status %d",
                  s->line, r.status);
        csb__error_set_child(why, r.status, csb__strbuf_text(&r.out), r.out.len);
    }
    return rc;
}

int csb__provision(struct csb__env *env, const struct csb__door *door,
                   const struct csb__template *t, csb_error **err) {
    bool done[CSB__TEMPLATE_SCRIPTS_MAX] = {false};
    CSB__AUTOERROR csb_error *first = NULL;
    int rc = t->n_scripts > 0 ? read_note(env, door, done, err) : 0;

    if (rc == 0) {
        rc = set_env(env, door, t, err);
    }
    for (size_t i = 0; rc == 0 && i < t->n_scripts; i++) {
        CSB__AUTOERROR csb_error *why = NULL;

        rc = done[i] ? 0 : run_one(env, door, t, i, &why, err);
        if (why) {
            csb__log(env, CSB_LOG_INFO, "%s", csb_error_message(why));
            first = first ? first : CSB__STEAL(why);
        }
    }
    return rc == 0 && first ? csb__error_propagate(err, CSB__STEAL(first)) : rc;
}
