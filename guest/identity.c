/* Who this guest is: hostname, machine-id, time zone. Also for forks of a warm guest. */
#include "guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

bool identity_hostname_valid(const char *name) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    size_t len = strlen(name);

    return len >= 1 && len <= 63 && strspn(name, allowed) == len && name[0] != '-' &&
           name[len - 1] != '-';
}

/* The own name first (without it sudo and others wait for a name server), then what was there. */
static char *hosts_text(const char *old, const char *name) {
    static const char own[] = "127.0.1.1";
    size_t size = strlen(old) + strlen(name) + 16, len;
    char *out = malloc(size);

    if (!out) {
        return NULL;
    }
    len = (size_t)snprintf(out, size, "%s %s\n", own, name);
    while (*old) {
        size_t n = strcspn(old, "\n");

        if (strncmp(old, own, sizeof own - 1) != 0 && n > 0) {
            memcpy(out + len, old, n);
            len += n;
            out[len++] = '\n';
        }
        old += n + (old[n] == '\n');
    }
    out[len] = '\0';
    return out;
}

static int set_hosts(const char *name) {
    char *old = file_read("/etc/hosts", (size_t)1024 * 1024, NULL);
    char *text = hosts_text(old ? old : "127.0.0.1 localhost\n::1 localhost\n", name);
    int r = text ? file_put("/etc/hosts", text, strlen(text), 0644) : -1;

    free(old);
    free(text);
    return r;
}

int identity_set_hostname(const char *name) {
    char text[80];
    int n;

    if (!identity_hostname_valid(name)) {
        errno = EINVAL;
        return -1;
    }
    if (sethostname(name, strlen(name)) < 0) {
        return -1;
    }
    n = snprintf(text, sizeof text, "%s\n", name);
    if (file_put("/etc/hostname", text, (size_t)n, 0644) < 0) {
        return -1;
    }
    return set_hosts(name);
}

int identity_random_uuid(unsigned char raw[16]) {
    if (getrandom(raw, 16, 0) != 16) {
        return -1;
    }
    raw[6] = (unsigned char)((raw[6] & 0x0f) | 0x40);
    raw[8] = (unsigned char)((raw[8] & 0x3f) | 0x80);
    return 0;
}

static int random_id(char id[33]) {
    unsigned char raw[16];

    if (identity_random_uuid(raw) < 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof raw; i++) {
        snprintf(id + 2 * i, 3, "%02x", raw[i]);
    }
    return 0;
}

int identity_set_machine_id(const char *wanted) {
    char line[34] = "";
    struct stat st;

    if (wanted && (strlen(wanted) != 32 || strspn(wanted, "0123456789abcdef") != 32)) {
        errno = EINVAL;
        return -1;
    }
    if (!wanted && stat("/etc/machine-id", &st) == 0 && st.st_size >= 32) {
        return 0;
    }
    if (wanted) {
        memcpy(line, wanted, 33);
    } else if (random_id(line) < 0) {
        return -1;
    }
    line[32] = '\n';
    return file_put("/etc/machine-id", line, 33, 0444);
}

int identity_set_timezone(const char *zone) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-_/";
    char target[128], old[128];
    ssize_t n;

    if (zone[0] == '\0' || zone[0] == '/' || strlen(zone) > 64 ||
        strspn(zone, allowed) != strlen(zone)) {
        errno = EINVAL;
        return -1;
    }
    snprintf(target, sizeof target, "/usr/share/zoneinfo/%s", zone);
    if (access(target, R_OK) < 0) {
        return -1;
    }
    n = readlink("/etc/localtime", old, sizeof old - 1);
    old[n > 0 ? n : 0] = '\0';
    if (strcmp(old, target) == 0) {
        return 0;
    }
    unlink("/etc/localtime.csb-new");
    if (symlink(target, "/etc/localtime.csb-new") < 0) {
        return -1;
    }
    return rename("/etc/localtime.csb-new", "/etc/localtime");
}
