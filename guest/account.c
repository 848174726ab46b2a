/* Makes the user's account: entries, sudo, home. Starts no process: each costs 40 ms under TCG. */
#include "guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATABASE_MAX ((size_t)1024 * 1024)

static int save(const char *path, char *text, mode_t mode) {
    int r = text ? file_update(path, text, strlen(text), mode) : -1;

    free(text);
    return r;
}

static int write_entries(account *who) {
    char *passwd = file_read("/etc/passwd", DATABASE_MAX, NULL);
    char *shadow = file_read("/etc/shadow", DATABASE_MAX, NULL);
    char *group = file_read("/etc/group", DATABASE_MAX, NULL);
    int r = -1;

    /* shadow and group first: an account in passwd is then a whole one. */
    if (passwd && shadow && group) {
        r = save("/etc/group", account_group(group, who), 0644);
        r |= save("/etc/shadow", account_shadow(shadow, who), 0600);
        r |= save("/etc/passwd", account_passwd(passwd, who), 0644);
    }
    free(passwd);
    free(shadow);
    free(group);
    return r;
}

static int write_sudoers(const account *who) {
    char line[64];
    int n = snprintf(line, sizeof line, "#%u ALL=(ALL:ALL) NOPASSWD: ALL\n", who->uid);

    /* By number: sudo would want characters quoted that a name may have. */
    return file_update("/etc/sudoers.d/claude-sandbox", line, (size_t)n, 0440);
}

static int copy_file(int from_dir, int to_dir, const char *name, const account *who) {
    int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    struct stat st;
    int r = -1;

    if (from >= 0 && to >= 0 && fstat(from, &st) == 0 && S_ISREG(st.st_mode) &&
        fchown(to, who->uid, who->gid) == 0 && fchmod(to, st.st_mode & 0777) == 0) {
        while ((r = (int)sendfile(to, from, NULL, 1 << 20)) > 0) {
        }
    }
    if (from >= 0) {
        close(from);
    }
    if (to >= 0) {
        close(to);
    }
    return r;
}

/* The files at the top of /etc/skel; the image has no directories in it. */
static void copy_skel(int home, const account *who) {
    DIR *skel = opendir("/etc/skel");
    struct dirent *entry;

    while (skel && (entry = readdir(skel))) {
        if (entry->d_type == DT_REG && copy_file(dirfd(skel), home, entry->d_name, who) < 0) {
            report_problem("account: cannot copy %s to the home directory", entry->d_name);
        }
    }
    if (skel) {
        closedir(skel);
    }
}

/* Made under another name and renamed, so that a home that is there is complete. */
static int make_home(const account *who) {
    char home[64], fresh[64];
    int fd;

    snprintf(home, sizeof home, "/home/%s", who->name);
    if (access(home, F_OK) == 0) {
        return lchown(home, who->uid, who->gid);
    }
    snprintf(fresh, sizeof fresh, "/home/.csb-new-%d", (int)getpid());
    if (mkdir(fresh, 0755) < 0 && errno != EEXIST) {
        return -1;
    }
    fd = open(fresh, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    copy_skel(fd, who);
    if (fchown(fd, who->uid, who->gid) < 0) {
        close(fd);
        return -1;
    }
    close(fd);
    return rename(fresh, home);
}

int account_ensure(account *who) {
    if (write_entries(who) < 0) {
        report_problem("account: cannot write the entries of %s: %s", who->name, strerror(errno));
        return -1;
    }
    if (write_sudoers(who) < 0) {
        report_problem("account: cannot write the sudo rule: %s", strerror(errno));
    }
    if (make_home(who) < 0) {
        report_problem("account: cannot make the home of %s: %s", who->name, strerror(errno));
        return -1;
    }
    return 0;
}

bool account_configured(account *ret) {
    char *text = file_read_value(CSB_RUN_DIR "/user", 256);
    bool ok = text && account_parse(text, ret);

    free(text);
    return ok;
}
