/* SPDX-License-Identifier: MIT */
/*
 * What a base must not hand to its copies: keys and ids that make a machine that machine, whatever
 * somebody logged in with, and traces of the build. Both engines give a machine without host keys and
 * machine-id new ones when it starts: qemu from the host, Lima by cloud-init, for which every start
 * is the first.
 */
#include <string.h>

#include "rebuild.h"

#define SEAL_MS (10 * 60 * 1000)

/* machine-id empty and not gone: that would be a first boot to systemd, which then resets what is
 * enabled. */
static const char seal_script[] =
    "set -u\n"
    /* Nowhere but in a guest of ours. */
    "[ -e /run/claude-sandbox ] || [ -e /mnt/lima-cidata ] || exit 1\n"
    "cd \"$HOME\" || exit 1\n"
    "rm -rf .claude .claude.json .claude.json.* .cache .npm .gradle/daemon .kotlin .m2/repository"
    " .bash_history .zsh_history .sh_history .python_history .node_repl_history .lesshst .viminfo"
    " .wget-hsts .netrc .git-credentials .docker/config.json .config/gh .config/gcloud .aws .azure"
    " .kube .cargo/credentials .cargo/credentials.toml .cargo/registry .ssh/id_* .ssh/known_hosts"
    " .sudo_as_admin_successful\n"
    "sudo -n /bin/sh -s <<'END'\n"
    "rm -f /etc/ssh/ssh_host_*\n"
    ": >/etc/machine-id\n"
    "[ -L /var/lib/dbus/machine-id ] || rm -f /var/lib/dbus/machine-id\n"
    "rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret\n"
    "rm -rf /root/.cache /root/.npm /root/.gradle /root/.kotlin /root/.bash_history /root/.lesshst"
    " /root/.viminfo /root/.wget-hsts /root/.netrc /root/.docker/config.json\n"
    "apt-get clean 2>/dev/null\n"
    "rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/lib/dhcp/* /var/lib/cloud/instances/*"
    " /var/lib/cloud/instance /var/lib/cloud/data/* /var/lib/cloud/sem/* /var/crash/*\n"
    "rm -rf /var/log/journal/*\n"
    "find /var/log -type f -exec truncate -s 0 {} +\n"
    "find /var/log -type f \\( -name '*.gz' -o -name '*.[0-9]' -o -name '*.old' \\) -delete\n"
    "find /tmp /var/tmp -mindepth 1 -maxdepth 1 ! -name '.csb-*' ! -name 'systemd-private-*'"
    " -exec rm -rf {} +\n"
    "rm -rf /dev/shm/.csb-* /dev/shm/claude-sandbox-*\n"
    "sync\n"
    "fstrim / 2>/dev/null\n"
    "[ ! -s /etc/machine-id ] && ! ls /etc/ssh/ssh_host_* >/dev/null 2>&1 && echo sealed\n"
    "END\n";

int rebuild_seal(csb_vm *vm, csb_error **err) {
    struct guest_words words;
    int rc = guest_run(vm, seal_script, NULL, SEAL_MS, &words, err);

    if (rc != 0) {
        return rc;
    }
    return words.status == 0 && strstr(words.text, "sealed") ? 0 : 1;
}
