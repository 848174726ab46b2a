/* SPDX-License-Identifier: MIT */
/* Processes as macOS shows them; proc_linux.c is the counterpart. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/event.h>
#include <sys/proc.h>
#include <sys/sysctl.h>
#include <sys/time.h>

#include "core/posix.h"
#include "core/process.h"

int csb__child_fd(pid_t pid) {
    struct kevent ev;
    int fd = kqueue();

    if (fd < 0) {
        return -1;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    EV_SET(&ev, (uintptr_t)pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0, NULL);
    if (kevent(fd, &ev, 1, NULL, 0, NULL) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int csb__process_start_time(pid_t pid, uint64_t *ret) {
    int mib[4] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, (int)pid};
    struct kinfo_proc info;
    size_t size = sizeof(info);

    if (pid <= 0 || sysctl(mib, 4, &info, &size, NULL, 0) != 0 || size == 0 ||
        info.kp_proc.p_stat == SZOMB) {
        return -1;
    }
    *ret = (uint64_t)info.kp_proc.p_starttime.tv_sec * 1000000 +
           (uint64_t)info.kp_proc.p_starttime.tv_usec;
    return 0;
}

int64_t csb__process_began(uint64_t start_time) {
    return (int64_t)(start_time / 1000000);
}

int csb__process_signal(pid_t pid, uint64_t start_time, int signo) {
    uint64_t now;

    if (csb__process_start_time(pid, &now) != 0 || now != start_time) {
        errno = ESRCH;
        return -1;
    }
    return kill(pid, signo);
}

void csb__boot_id(char *out, size_t size) {
    struct timeval boot;
    size_t len = sizeof(boot);

    out[0] = '\0';
    if (sysctlbyname("kern.boottime", &boot, &len, NULL, 0) == 0) {
        snprintf(out, size, "%lld", (long long)boot.tv_sec);
    }
}
