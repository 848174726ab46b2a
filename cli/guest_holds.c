/* SPDX-License-Identifier: MIT */
/* What would be lost with a VM: what of it lies nowhere else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "safe_text.h"

#define ASK_MS 10000
#define ANSWER_MAX 8192

/* Run by the guest's own shell on the guest's own files: it finds out, nothing more. Other file systems
 * are the host's. Few directories, and few levels: it is asked by someone who waits. */
static const char script[] =
    "n=0\n"
    "for f in \"$HOME\"/.claude/projects/*/*.jsonl; do\n"
    "    if [ -f \"$f\" ]; then n=$((n + 1)); fi\n"
    "done\n"
    "echo \"conversations $n\"\n"
    "command -v git >/dev/null || exit 0\n"
    "find \"$HOME\" -xdev -maxdepth 4 -name .git 2>/dev/null | head -n 50 |\n"
    "while IFS= read -r git; do\n"
    "    dir=${git%/.git}\n"
    "    case $dir/ in \"$1\"/*) continue ;; esac\n"
    "    if [ -n \"$(git -C \"$dir\" status --porcelain 2>/dev/null | head -n 1)\" ] ||\n"
    "        [ -n \"$(git -C \"$dir\" log -1 --oneline --branches --not --remotes 2>/dev/null)\" "
    "]\n"
    "    then\n"
    "        printf 'work %s\\n' \"$dir\"\n"
    "    fi\n"
    "done\n";

/* By a handle of its own, whose patience is short. */
static bool ask(const csb_vm *vm, const struct cli_options *o, char *answer) {
    const char *project = csb_vm_project_dir(vm);
    const char *const argv[] = {"sh", "-c", script, "sh", *project ? project : "/nonexistent",
                                NULL};
    csb_ctx *ctx = cli_new_hasty_context(o, ASK_MS);
    csb_vm *own = NULL;
    bool told = ctx && csb_vm_open(ctx, csb_vm_name(vm), &own, NULL) == 0 &&
                cli_guest_ask(own, argv, ASK_MS, answer, ANSWER_MAX) == 0;

    csb_vm_free(own);
    cli_free_context(ctx);
    return told;
}

/* "work DIR" for each, as the guest says. */
static void print_work(const char *name, const char *answer) {
    bool first = true;

    for (; *answer; answer += strcspn(answer, "\n"), answer += *answer == '\n') {
        if (strncmp(answer, "work ", 5) == 0) {
            if (first) {
                fprintf(stderr, "%s holds work in git that is not committed or not pushed:\n",
                        name);
            }
            first = false;
            fputs("  ", stderr);
            safe_text_put(stderr, answer + 5, strcspn(answer + 5, "\n"));
            fputc('\n', stderr);
        }
    }
}

void cli_print_holds(const csb_vm *vm, const struct cli_options *o) {
    const char *name = csb_vm_name(vm);
    char answer[ANSWER_MAX] = "";
    long conversations = 0;

    if (csb_vm_state(vm) != CSB_VM_RUNNING) {
        fprintf(stderr,
                "%s is %s: conversations with Claude and work outside the project that it may hold "
                "can't be seen.\n",
                name, csb_vm_state_name(vm));
        return;
    }
    if (!ask(vm, o, answer) || sscanf(answer, "conversations %9ld", &conversations) != 1) {
        fprintf(stderr, "%s does not say what it holds.\n", name);
        return;
    }
    if (conversations > 0) {
        fprintf(stderr, "%s holds %ld conversation%s with Claude.\n", name, conversations,
                conversations == 1 ? "" : "s");
    }
    print_work(name, answer);
}
