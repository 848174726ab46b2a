/*
 * Applies what the host asked for: name, account, network, shares. init calls this before it
 * starts systemd, so that machine-id and hostname are there in time and no process has to be
 * started; run again (`csb-guest boot`) it changes nothing. One failure does not stop the rest.
 */
#include "guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A share that QEMU was started with is there already: a missing one must not delay the boot. */
#define DEVICE_WAIT_MS 500

static void set_identity(void) {
    char *hostname = file_read_value(CSB_RUN_DIR "/hostname", 256);
    char *machine_id = file_read_value(CSB_RUN_DIR "/machine-id", 256);
    char *timezone = file_read_value(CSB_RUN_DIR "/timezone", 256);

    if (identity_set_hostname(hostname ? hostname : "claude-sandbox") < 0) {
        report_problem("hostname: %s", strerror(errno));
    }
    if (identity_set_machine_id(machine_id) < 0) {
        report_problem("machine-id: %s", strerror(errno));
    }
    if (timezone && identity_set_timezone(timezone) < 0) {
        report_problem("timezone: %s", strerror(errno));
    }
    free(hostname);
    free(machine_id);
    free(timezone);
}

static void mount_shares(void) {
    char *text = file_read_value(CSB_RUN_DIR "/mounts", 65536);
    char *state = NULL;

    for (char *line = text ? strtok_r(text, "\n", &state) : NULL; line;
         line = strtok_r(NULL, "\n", &state)) {
        char why[256];

        if (share_mount(line, DEVICE_WAIT_MS, why, sizeof why) < 0) {
            report_problem("mount %.*s: %s", (int)strcspn(line, " "), line, why);
        }
    }
    free(text);
}

void boot_identity(void) {
    account user;

    set_identity();
    if (account_configured(&user)) {
        account_ensure(&user);
    } else {
        report_problem("account: no valid user was given");
    }
}

int applet_boot(void) {
    boot_identity();
    if (disk_grow() < 0) {
        report_problem("disk: %s", strerror(errno));
    }
    if (network_up() < 0) {
        report_problem("network: %s", strerror(errno));
    }
    mount_shares();
    return 0;
}
