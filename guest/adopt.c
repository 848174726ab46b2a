/*
 * A warm guest that was copied becomes one of its own: what init takes from fw_cfg at a boot comes
 * over the control port here, before anybody is let in. And the other way round, before its memory
 * is kept: what was it alone is forgotten.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define VALUE_MAX CSB_LINE_MAX
#define SEED_MAX 64
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define OWN_BOOT_ID CSB_RUN_DIR "/boot_id"

static const struct {
    const char *name;
    mode_t mode;
    bool personal; /* must not be in a template */
} values[] = {
    {"hostname", 0644, true},
    {"user", 0644, false},
    {"authorized_keys", 0644, true},
    {"machine-id", 0644, true},
    {"timezone", 0644, false},
    {"mounts", 0644, true},
    {"mac", 0644, true},
    {"ssh_host_ed25519_key", 0600, true},
};

int adopt_put(const char *name, const char *encoded, char *why, size_t size) {
    char text[VALUE_MAX], path[128];

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        if (strcmp(values[i].name, name) != 0) {
            continue;
        }
        if (!path_decode(encoded, text, sizeof text)) {
            snprintf(why, size, "bad-request value");
            return -1;
        }
        snprintf(path, sizeof path, CSB_RUN_DIR "/%s", name);
        if (file_put(path, text, strlen(text), values[i].mode) < 0) {
            snprintf(why, size, "failed %s: %s", name, strerror(errno));
            return -1;
        }
        return 0;
    }
    snprintf(why, size, "bad-request unknown value");
    return -1;
}

static int hex_digit(char c) {
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* The number of bytes, 0 for what is no even number of hex digits. */
static size_t from_hex(const char *text, unsigned char bytes[SEED_MAX]) {
    size_t n = 0;

    for (; text[0] && n < SEED_MAX; text += 2) {
        int high = hex_digit(text[0]);
        int low = high < 0 ? -1 : hex_digit(text[1]);

        if (low < 0) {
            return 0;
        }
        bytes[n++] = (unsigned char)(high * 16 + low);
    }
    return *text ? 0 : n;
}

/* Host bytes into the random generator, which then starts anew from them: random(4). A copy of a
 * guest would say the same as the other copies otherwise. */
static int reseed(const char *hex) {
    struct {
        struct rand_pool_info info;
        unsigned char bytes[SEED_MAX];
    } seed;
    size_t n = from_hex(hex, (unsigned char *)seed.info.buf);
    int fd = n > 0 ? open("/dev/urandom", O_RDWR | O_CLOEXEC) : -1;
    int r = -1;

    if (n == 0) {
        errno = EINVAL;
    }
    if (fd >= 0) {
        seed.info.entropy_count = (int)n * 8;
        seed.info.buf_size = (int)n;
        r = ioctl(fd, RNDADDENTROPY, &seed.info) < 0 ? -1 : ioctl(fd, RNDRESEEDCRNG);
        close(fd);
    }
    explicit_bzero(&seed, sizeof seed);
    return r;
}

/* The kernel makes its boot id once; whoever reads it is shown another, as in containers. */
static int renew_boot_id(void) {
    unsigned char raw[16];
    char text[40];
    size_t len = 0;

    if (identity_random_uuid(raw) < 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof raw; i++) {
        const char *dash = i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";

        len += (size_t)snprintf(text + len, sizeof text - len, "%s%02x", dash, raw[i]);
    }
    text[len++] = '\n';
    (void)umount2(BOOT_ID, MNT_DETACH);
    unlink(OWN_BOOT_ID);
    if (file_put(OWN_BOOT_ID, text, len, 0444) < 0) {
        return -1;
    }
    return mount(OWN_BOOT_ID, BOOT_ID, NULL, MS_BIND, NULL);
}

int adopt_identity(const char *seed_hex, char *why, size_t size) {
    unlink(CSB_RUN_DIR "/problems");
    if (reseed(seed_hex) < 0) {
        snprintf(why, size, "failed random generator: %s", strerror(errno));
        return -1;
    }
    if (renew_boot_id() < 0) {
        report_problem("boot id: %s", strerror(errno));
    }
    boot_identity();
    if (network_set_mac() < 0) {
        report_problem("network address: %s", strerror(errno));
    }
    return 0;
}

int adopt_forget(char *why, size_t size) {
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char path[128];

        snprintf(path, sizeof path, CSB_RUN_DIR "/%s", values[i].name);
        if (values[i].personal && file_wipe(path) < 0 && errno != ENOENT) {
            snprintf(why, size, "failed %s: %s", values[i].name, strerror(errno));
            return -1;
        }
    }
    sync();
    return 0;
}
