/* The network as QEMU's user mode gives it, set without any process or daemon. */
#include "guest.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <stdlib.h>
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

/* "52:54:00:..." as bytes; false for anything else. */
static bool parse_mac(const char *text, unsigned char mac[6]) {
    int end = 0;

    return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2], &mac[3],
                  &mac[4], &mac[5], &end) == 6 &&
           text[end] == '\0';
}

static void announce(void) {
    int fd = open("/proc/sys/net/ipv4/conf/all/arp_notify", O_WRONLY | O_CLOEXEC);

    if (fd < 0 || file_write_all(fd, "1\n", 2) < 0) {
        report_problem("network: %s", strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
}

int network_set_mac(void) {
    char *text = file_read_value(CSB_RUN_DIR "/mac", 64);
    struct ifreq req = {.ifr_hwaddr.sa_family = ARPHRD_ETHER};
    bool given = text && parse_mac(text, (unsigned char *)req.ifr_hwaddr.sa_data);
    int fd;
    int r;

    free(text);
    if (!given || !find_interface(req.ifr_name)) {
        return 0;
    }
    /* With a gratuitous ARP, or the other side would go on sending to the address that it has seen
     * when the first packet went out: ip-sysctl, arp_notify. */
    announce();
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    r = fd < 0 ? -1 : ioctl(fd, SIOCSIFHWADDR, &req);
    if (fd >= 0) {
        close(fd);
    }
    return r;
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
