/* The network as QEMU's user mode gives it, set without any process or daemon. */
#include "guest.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <net/route.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr address(const char *text) {
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr any;

    inet_pton(AF_INET, text, &in.sin_addr);
    memcpy(&any, &in, sizeof any);
    return any;
}

/* The first interface that is not the loopback. */
static bool find_interface(char name[IFNAMSIZ]) {
    DIR *dir = opendir("/sys/class/net");
    struct dirent *entry;
    bool found = false;

    while (dir && !found && (entry = readdir(dir))) {
        size_t len = strlen(entry->d_name);

        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "lo") != 0 && len < IFNAMSIZ) {
            memcpy(name, entry->d_name, len + 1);
            found = true;
        }
    }
    if (dir) {
        closedir(dir);
    }
    return found;
}

static int bring_up(int fd, const char *name) {
    struct ifreq req = {0};

    memcpy(req.ifr_name, name, strlen(name) + 1);
    if (ioctl(fd, SIOCGIFFLAGS, &req) < 0) {
        return -1;
    }
    req.ifr_flags = (short)(req.ifr_flags | IFF_UP);
    return ioctl(fd, SIOCSIFFLAGS, &req);
}

static int set_addresses(int fd, const char *name) {
    struct ifreq req = {0};
    struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};

    memcpy(req.ifr_name, name, strlen(name) + 1);
    req.ifr_addr = address("10.0.2.15");
    if (ioctl(fd, SIOCSIFADDR, &req) < 0) {
        return -1;
    }
    req.ifr_netmask = address("255.255.255.0");
    if (ioctl(fd, SIOCSIFNETMASK, &req) < 0 || bring_up(fd, name) < 0) {
        return -1;
    }
    route.rt_dst = address("0.0.0.0");
    route.rt_genmask = address("0.0.0.0");
    route.rt_gateway = address("10.0.2.2");
    return ioctl(fd, SIOCADDRT, &route) < 0 && errno != EEXIST ? -1 : 0;
}

int network_up(void) {
    char name[IFNAMSIZ];
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int r;

    if (fd < 0) {
        return -1;
    }
    r = bring_up(fd, "lo");
    if (find_interface(name)) {
        r |= set_addresses(fd, name);
    } else {
        errno = ENODEV;
        r = -1;
    }
    close(fd);
    return r;
}

static bool listening_in(const char *table, unsigned port) {
    char line[512];
    FILE *f = fopen(table, "re");
    bool found = false;

    while (f && !found && fgets(line, sizeof line, f)) {
        unsigned local, state;

        found = sscanf(line, " %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x", &local, &state) == 2 &&
                local == port && state == 0x0a;
    }
    if (f) {
        fclose(f);
    }
    return found;
}

bool network_listening(unsigned port) {
    return listening_in("/proc/net/tcp", port) || listening_in("/proc/net/tcp6", port);
}
