/* SPDX-License-Identifier: MIT */
#include "engine/qemu/virtiofs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/path.h"
#include "core/posix.h"
#include "core/process.h"

/* QEMU's own, of up to QEMU 7.2 (Debian 12): the later one, written in Rust, has other options. */
#define DAEMON "/usr/lib/qemu/virtiofsd"
#define RECLAIM_MS 60000
/* What systemd permits any service, and half of it would do for most trees. */
#define PLENTY 262144
/* What Linux permits unless told otherwise (fs.nr_open). */
#define FILES_MAX 1048576
#define COUNT_MS 2000

/* unshare(1) of util-linux 2.38: the user keeps its number, all others are subordinate ids. */
#define IN_NAMESPACE                                                                               \
    "unshare", "--user", "--map-auto", "--map-current-user", "--setuid", "0", "--setgid", "0", "--"

/* ---- can it be had ---------------------------------------------------------------------------- */

static bool probe(struct csb__env *env) {
    const char *const argv[] = {IN_NAMESPACE, DAEMON, "--version", NULL};
    struct csb__run run = CSB__RUN_INIT;
    CSB__AUTORESULT result = {0};

    if (access(DAEMON, X_OK) != 0) {
        return false;
    }
    run.argv = argv;
    run.timeout_ms = 5000;
    return csb__run(env, &run, &result, NULL) == 0 && result.status == 0;
}

/* How many files may be open at most; sessions begin with fewer, most of them with 1,024. */
static uint64_t most_files(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY ||
        limit.rlim_max > FILES_MAX) {
        return FILES_MAX;
    }
    return limit.rlim_max;
}

/* Where only few files may be open: three quarters of them, for a project grows. Nor may it take long
 * to see that. */
static bool holds(struct csb__env *env, const char *dir) {
    uint64_t most = most_files();

    if (most >= PLENTY || !csb__tree_exceeds(dir, most / 4 * 3, COUNT_MS)) {
        return true;
    }
    csb__log(env, CSB_LOG_INFO,
             "%s has too many files for virtiofs, since only %llu may be open here (ulimit -Hn)",
             dir, (unsigned long long)most);
    return false;
}

static bool works(struct csb__env *env) {
    CSB__AUTOFREE char *path = csb__path_join(env->state_dir, "virtiofs");
    CSB__AUTOSTRBUF known = CSB__STRBUF_INIT;
    char boot[64];
    char text[80];
    int n;

    csb__boot_id(boot, sizeof(boot));
    n = snprintf(text, sizeof(text), "%s works\n", boot);
    if (path && *boot && csb__read_file(path, 256, &known) == 0 &&
        strcmp(csb__strbuf_text(&known), text) == 0) {
        return true;
    }
    if (!probe(env)) {
        return false;
    }
    if (path) {
        (void)csb__write_file(path, text, (size_t)n, 0600, NULL);
    }
    return true;
}

bool csb__virtiofs_usable(struct csb__env *env, const char *dir) {
    return !env->plain_shares && dir && works(env) && holds(env, dir);
}

bool csb__virtiofs_takes(const struct csb__instance *i, const struct csb__spec *spec,
                         size_t index) {
    const struct csb__mount *m = &spec->mounts[index];

    return i->virtiofs && m->writable && spec->project_dir &&
           strcmp(m->host_path, spec->project_dir) == 0;
}

/* ---- the sockets and who listens there -------------------------------------------------------- */

static int listen_at(const char *path, csb_error **err) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd;

    if (!csb__unix_path_fits(path)) {
        return csb__fail(err, CSB_EINVAL, "%s is too long for a socket", path);
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    unlink(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fd = fd >= 0 ? csb__fd_move_up(fd) : -1;
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(fd, 1) != 0) {
        int saved = errno;

        csb__fd_close(&fd);
        return csb__fail_errno(err, saved, "can't listen at %s", path);
    }
    return fd;
}

int csb__virtiofs_listen(const struct csb__instance *i, const struct csb__spec *spec, int *fds,
                         csb_error **err) {
    for (size_t m = 0; m < spec->n_mounts; m++) {
        CSB__AUTOFREE char *path = NULL;
        char name[32];

        fds[m] = -1;
        if (!csb__virtiofs_takes(i, spec, m)) {
            continue;
        }
        snprintf(name, sizeof(name), "share%zu", m);
        path = csb__instance_socket(i, name);
        fds[m] = path ? listen_at(path, err) : csb__fail_nomem(err);
        if (fds[m] < 0) {
            return fds[m];
        }
    }
    return 0;
}

/* Its log would be the guest's to fill. The directory is given by descriptor: no path is parsed, and
 * it stays the one that was looked at. */
static int serve(const struct csb__mount *m, int fd, csb_error **err) {
    CSB__AUTOCLOSE int dir = csb__open(m->host_path, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
    CSB__AUTOCLOSE int log = csb__open("/dev/null", O_WRONLY, 0);
    char fd_option[32];
    char options[160];
    char files[48];
    const char *const argv[] = {IN_NAMESPACE,           DAEMON, fd_option, "-o", options, files,
                                "--thread-pool-size=0", NULL};
    const int keep[] = {fd, dir};
    struct csb__detached detached = {.argv = argv, .log_fd = log, .keep_fds = keep, .n_keep = 2};
    pid_t pid;

    if (dir < 0 || log < 0) {
        return csb__fail_errno(err, errno, "can't share %s", m->host_path);
    }
    snprintf(fd_option, sizeof(fd_option), "--fd=%d", fd);
    snprintf(files, sizeof(files), "--rlimit-nofile=%llu", (unsigned long long)most_files());
    snprintf(options, sizeof(options),
             "source=/proc/self/fd/%d/.,sandbox=chroot,cache=auto,no_posix_lock,log_level=err",
             dir);
    return csb__spawn_detached(&detached, &pid, err);
}

int csb__virtiofs_serve(const struct csb__spec *spec, const int *fds, csb_error **err) {
    int rc = 0;

    for (size_t m = 0; rc == 0 && m < spec->n_mounts; m++) {
        rc = fds[m] >= 0 ? serve(&spec->mounts[m], fds[m], err) : 0;
    }
    return rc;
}

void csb__virtiofs_hang_up(const struct csb__instance *i) {
    for (size_t m = 0; m < CSB__MOUNTS_MAX; m++) {
        CSB__AUTOFREE char *path = NULL;
        CSB__AUTOCLOSE int fd = -1;
        char name[32];

        snprintf(name, sizeof(name), "share%zu", m);
        path = csb__instance_socket(i, name);
        fd = path ? csb__unix_connect_at_once(path) : -1;
        if (path) {
            (void)unlink(path);
        }
    }
}

/* ---- afterwards ------------------------------------------------------------------------------- */

/* Does something to what has changed since, and is not the user's: a volume that a container without
 * root has in the project belongs to such ids, too, and is nobody's to take. */
static int find_changed(struct csb__env *env, const char *dir, int64_t since,
                        const char *const *what, struct csb__run_result *ret) {
    char owner[32];
    char when[32];
    const char *argv[32] = {IN_NAMESPACE, "find", dir,    "-xdev", "-newerct",
                            when,         "!",    "-uid", owner};
    /* find(1) runs nothing from a directory when there is a relative one on PATH. */
    const char *const envp[] = {"PATH=/usr/bin:/bin:/usr/sbin:/sbin", NULL};
    struct csb__run run = CSB__RUN_INIT;
    size_t n = 0;

    snprintf(owner, sizeof(owner), "%u", geteuid());
    snprintf(when, sizeof(when), "@%lld", (long long)since);
    while (argv[n]) {
        n++;
    }
    for (size_t i = 0; what[i] && n + 1 < sizeof(argv) / sizeof(argv[0]); i++) {
        argv[n++] = what[i];
    }
    run.argv = argv;
    run.envp = envp;
    run.timeout_ms = RECLAIM_MS;
    return csb__run(env, &run, ret, NULL);
}

/* What the user can do; `where` says in which directory. */
static void tell(struct csb__env *env, const char *dir, const char *what, const char *where) {
    csb__log(env, CSB_LOG_WARNING,
             "%s%s. To have that, %s: claude-sandbox shell -- sudo chown -R %u:%u .", dir, what,
             where, geteuid(), getegid());
}

/* From each directory, for a path may be longer than a call takes. It fails, too, at what is another
 * user's of this host: that is nobody's in the namespace, and was out of the guest's reach. */
static void reclaim(struct csb__env *env, const char *dir, int64_t since) {
    char both[32];
    const char *const take[] = {"-execdir", "chown", "-h", "--", both, "{}", "+", NULL};
    const char *const see[] = {"!", "-uid", "65534", "-print", "-quit", NULL};
    CSB__AUTORESULT taken = {0};
    CSB__AUTORESULT seen = {0};

    if (access(dir, F_OK) != 0 && errno == ENOENT) {
        tell(env, dir,
             " is gone; if it was moved, what the VM's root made in it is still that one's",
             "in its new place");
        return;
    }
    snprintf(both, sizeof(both), "%u:%u", geteuid(), getegid());
    if (find_changed(env, dir, since, take, &taken) == 0 &&
        (taken.status == 0 ||
         (probe(env) && find_changed(env, dir, since, see, &seen) == 0 && seen.out.len == 0))) {
        return;
    }
    tell(env, dir, ": some files may still belong to the VM's root", "in it");
}

void csb__virtiofs_settle(struct csb__env *env, struct csb__instance *i) {
    if (i->lent && *i->lent) {
        reclaim(env, i->lent, i->lent_at);
        *i->lent = '\0';
        (void)csb__instance_save_run(i, NULL);
    }
}
