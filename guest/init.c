/*
 * /init of the initrd: loads the modules of a list, takes the configuration from fw_cfg, mounts the
 * root device and hands over to systemd. A general initrd takes seconds for that under TCG.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MODULE_DIR "/modules"
#define MODULE_LIST MODULE_DIR "/order"
#define NEW_ROOT "/root"
#define OLD_TMP "/.old-tmp"
#define ROOT_WAIT_MS 10000
#define CONFIG_MAX 65536

/* There is nobody to go on: says why on the console and switches the machine off. */
static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void die(const char *format, ...) {
    va_list ap;

    fputs("csb-guest: init: ", stderr);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputs("\n", stderr);
    sync();
    sleep_ms(100);
    reboot(RB_POWER_OFF);
    _exit(1);
}

static void mount_or_die(const char *what, const char *where, unsigned long flags,
                         const char *data) {
    mkdir(where, 0755);
    if (mount(what, where, what, flags, data) < 0) {
        die("cannot mount %s: %s", what, strerror(errno));
    }
}

static void open_console(void) {
    int fd = open("/dev/console", O_RDWR | O_NOCTTY);

    for (int i = 0; fd >= 0 && i < 3; i++) {
        dup2(fd, i);
    }
    if (fd > 2) {
        close(fd);
    }
}

static void mount_kernel_systems(void) {
    const unsigned long safe = MS_NOSUID | MS_NODEV | MS_NOEXEC;

    mount_or_die("devtmpfs", "/dev", MS_NOSUID, "mode=0755");
    open_console();
    mount_or_die("proc", "/proc", safe, NULL);
    mount_or_die("sysfs", "/sys", safe, NULL);
    mount_or_die("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755,size=20%");
}

static void load_module(const char *name) {
    char path[256];
    int fd;

    snprintf(path, sizeof path, MODULE_DIR "/%s", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    /* Hardware that is not there (ENODEV) is no reason to stop: the root device will tell. */
    if (fd < 0 ||
        (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST && errno != ENODEV)) {
        fprintf(stderr, "csb-guest: init: module %s: %s\n", name, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    unlink(path); /* the initrd's memory is never given back otherwise */
}

static void load_modules(void) {
    char *list = file_read(MODULE_LIST, 65536, NULL);
    char *state = NULL;

    for (char *name = list ? strtok_r(list, "\n", &state) : NULL; name;
         name = strtok_r(NULL, "\n", &state)) {
        load_module(name);
    }
    free(list);
}

/* One value from the host to a file in /run; the secret ones for root only. */
static void copy_config(const char *name, mode_t mode) {
    char path[256];
    size_t len;
    char *data;
    int fd;

    snprintf(path, sizeof path, CSB_FW_CFG_DIR "/%s/raw", name);
    data = file_read(path, CONFIG_MAX, &len);
    if (!data) {
        return;
    }
    snprintf(path, sizeof path, CSB_RUN_DIR "/%s", name);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0 || file_write_all(fd, data, len) < 0) {
        die("cannot write %s: %s", path, strerror(errno));
    }
    close(fd);
    explicit_bzero(data, len); /* memory that is given back says what it said */
    free(data);
}

static void copy_configs(void) {
    static const struct {
        const char *name;
        mode_t mode;
    } configs[] = {
        {"hostname", 0644}, {"user", 0644},   {"authorized_keys", 0644},      {"machine-id", 0644},
        {"timezone", 0644}, {"mounts", 0644}, {"ssh_host_ed25519_key", 0600}, {"mac", 0644},
    };

    mkdir(CSB_RUN_DIR, 0755); /* sshd reads authorized_keys as the user */
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        copy_config(configs[i].name, configs[i].mode);
    }
}

/* The value of KEY= on the kernel's command line, else FALLBACK. */
static void kernel_arg(const char *key, const char *fallback, char *value, size_t size) {
    char *line = file_read_value("/proc/cmdline", 4096);
    char *state = NULL;
    size_t len = strlen(key);

    snprintf(value, size, "%s", fallback);
    for (char *word = line ? strtok_r(line, " ", &state) : NULL; word;
         word = strtok_r(NULL, " ", &state)) {
        if (strncmp(word, key, len) == 0 && word[len] == '=') {
            snprintf(value, size, "%s", word + len + 1);
        }
    }
    free(line);
}

static void mount_root(void) {
    char device[128], type[32];
    int waited = 0;

    kernel_arg("root", "/dev/vda", device, sizeof device);
    kernel_arg("rootfstype", "ext4", type, sizeof type);
    while (access(device, F_OK) < 0) {
        if (waited >= ROOT_WAIT_MS) {
            die("the root device %s did not appear", device);
        }
        sleep_ms(10);
        waited += 10;
    }
    mkdir(NEW_ROOT, 0755);
    /* discard: what the guest deletes also leaves the host's disk image. */
    if (mount(device, NEW_ROOT, type, 0, "discard") < 0 &&
        mount(device, NEW_ROOT, type, 0, NULL) < 0) {
        die("cannot mount the root device %s: %s", device, strerror(errno));
    }
}

static void carry_over(const char *from) {
    char to[64];

    snprintf(to, sizeof to, NEW_ROOT "%s", from);
    if (mount(from, to, NULL, MS_MOVE, NULL) < 0) {
        die("cannot move %s: %s", from, strerror(errno));
    }
}

static void switch_root(void) {
    carry_over("/dev");
    carry_over("/proc");
    carry_over("/sys");
    carry_over("/run");
    unlink("/init");
    if (chdir(NEW_ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
        chdir("/") < 0) {
        die("cannot switch to the root file system: %s", strerror(errno));
    }
}

/*
 * What the last boot left in /tmp, which systemd-tmpfiles(8) would remove while somebody may have put
 * something there already: ssh is let in before. So it goes out of the way now, to where that removes
 * it (files/etc/tmpfiles.d/tmp.conf).
 */
static void set_tmp_aside(void) {
    char aside[64];
    struct stat st;
    struct timespec now;
    bool there = lstat("/tmp", &st) == 0;

    if (there && !S_ISDIR(st.st_mode)) {
        return; /* a link of somebody's */
    }
    if (there && rmdir("/tmp") < 0) {
        clock_gettime(CLOCK_REALTIME, &now);
        snprintf(aside, sizeof aside, OLD_TMP "/%lld.%09ld", (long long)now.tv_sec, now.tv_nsec);
        mkdir(OLD_TMP, 0700);
        if (rename("/tmp", aside) < 0) {
            return;
        }
    }
    if (mkdir("/tmp", 0755) == 0) {
        chmod("/tmp", 01777);
    }
}

int applet_init(void) {
    if (getpid() != 1) {
        fputs("csb-guest: init is for the initrd\n", stderr);
        return 2;
    }
    umask(022);
    mount_kernel_systems();
    load_modules();
    copy_configs();
    mount_root();
    switch_root();
    set_tmp_aside();
    applet_boot();
    execl("/sbin/init", "init", (char *)NULL);
    die("cannot start /sbin/init: %s", strerror(errno));
}
