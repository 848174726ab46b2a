/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/posix.h"
#include "engine/lima/lima_proc.h"

/* More than any of Lima's; what is longer is looked at up to here. */
#define ARGS_MAX ((size_t)256 << 10)

static bool take_pid(const char *text, pid_t *ret) {
    char *end;
    long n = strtol(text, &end, 10);

    *ret = (pid_t)n;
    return *text >= '1' && *text <= '9' && *end == '\0' && n == (long)*ret;
}

void csb__lima_each_process(csb__lima_proc_fn fn, void *userdata) {
    CSB__AUTOCLOSEDIR DIR *dir = opendir("/proc");
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        CSB__AUTOSTRBUF args = CSB__STRBUF_INIT;
        char path[64];
        struct stat st;
        pid_t pid;

        if (!take_pid(entry->d_name, &pid) || fstatat(dirfd(dir), entry->d_name, &st, 0) != 0 ||
            st.st_uid != geteuid()) {
            continue;
        }
        snprintf(path, sizeof(path), "/proc/%ld/cmdline", (long)pid);
        (void)csb__read_file(path, ARGS_MAX, &args);
        /* Nothing is what a zombie or a process of the kernel shows. */
        if (args.len > 0 && !args.failed) {
            fn(pid, args.data, args.len, userdata);
        }
    }
}
