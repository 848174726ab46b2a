/* SPDX-License-Identifier: MIT */
#include "guest/wiring.h"

#include <string.h>

#include "core/json.h"
#include "guest/script.h"

/* Owned by root: Claude may change its own settings, but not what reports on it. */
#define HOOK_PATH "/usr/local/lib/claude-sandbox/hook.sh"
#define SETTINGS_PATH "/etc/claude-code/managed-settings.d/50-claude-sandbox.json"

/* Seconds. The script ends itself before; it is also what makes SessionEnd wait for it. */
#define TIMEOUT_S 10
/* A person may answer it; the dialog is on the screen meanwhile. */
#define PERMISSION "PermissionRequest"
#define PERMISSION_TIMEOUT_S 600

static const char hook_script[] =
#include "hook_script.h"
    ;

/* Without WorktreeCreate, whose hook takes the work over instead of watching it, and MessageDisplay,
 * which comes with each piece of text while Claude writes and waits. */
static const char *const events[] = {
    "ConfigChange",
    "CwdChanged",
    "DirectoryAdded",
    "Elicitation",
    "ElicitationResult",
    "InstructionsLoaded",
    "Notification",
    "PermissionDenied",
    "PermissionRequest",
    "PostCompact",
    "PostModelSwitch",
    "PostToolBatch",
    "PostToolUse",
    "PostToolUseFailure",
    "PreCompact",
    "PreModelSwitch",
    "PreToolUse",
    "SessionEnd",
    "SessionStart",
    "Setup",
    "Stop",
    "StopFailure",
    "SubagentStart",
    "SubagentStop",
    "TaskCompleted",
    "TaskCreated",
    "TeammateIdle",
    "UserPromptExpansion",
    "UserPromptSubmit",
    "WorktreeRemove",
};

char *csb__wiring_settings(void) {
    CSB__AUTOJSON *hooks = json_object();
    CSB__AUTOJSON *root = NULL;

    for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
        bool asks = strcmp(events[i], PERMISSION) == 0;
        json_t *entry = json_pack("[{s:[{s:s, s:s, s:i}]}]", "hooks", "type", "command", "command",
                                  asks ? HOOK_PATH " " PERMISSION : HOOK_PATH, "timeout",
                                  asks ? PERMISSION_TIMEOUT_S : TIMEOUT_S);

        if (json_object_set_new(hooks, events[i], entry) != 0) {
            return NULL;
        }
    }
    root = json_pack("{s:O}", "hooks", hooks);
    return root ? csb__json_text(root, JSON_INDENT(1)) : NULL;
}

static void set_variable(struct csb__strbuf *out, const char *name, const char *text) {
    csb__strbuf_printf(out, "%s=", name);
    csb__shell_quote(out, text);
    csb__strbuf_puts(out, "\n");
}

void csb__wiring_script(struct csb__strbuf *out) {
    CSB__AUTOFREE char *settings = csb__wiring_settings();

    if (!settings) {
        out->failed = true;
        return;
    }
    set_variable(out, "hook", hook_script);
    set_variable(out, "settings", settings);
    /* Only where it differs, and in one step: a hook may be running. $(...) drops newlines at the
     * end. Both in one look, for that is a process. */
    csb__strbuf_puts(out, "place() {\n"
                          "    sudo mkdir -p \"${1%/*}\" &&\n"
                          "        printf '%s\\n' \"$3\" | sudo tee \"$1.new\" >/dev/null &&\n"
                          "        sudo chmod \"$2\" \"$1.new\" && sudo mv -f \"$1.new\" \"$1\"\n"
                          "}\n"
                          "if [ \"$(cat " HOOK_PATH " " SETTINGS_PATH " 2>/dev/null)\" != \"$hook\n"
                          "$settings\" ]; then\n"
                          "place " HOOK_PATH " 755 \"$hook\"\n"
                          "place " SETTINGS_PATH " 644 \"$settings\"\n"
                          "fi\n");
}
