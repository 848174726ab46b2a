/* SPDX-License-Identifier: MIT */
/*
 * limactl, ssh, tmux and hostagent in one, by the name it is called: what they do in no time, so that
 * what is measured is who calls them.
 *
 *     limactl list [NAME]     the directories in LIMA_HOME, as the format asks: ours or the predecessor's
 *     limactl stop NAME       takes FAKE_STOP_MS, then ends the VM's host agent
 *     limactl shell, tmux, ssh    note in FAKE_CLOCK when they began to run a program, and end
 *     hostagent ... NAME      a VM that runs
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *home(void) {
    const char *set = getenv("LIMA_HOME");

    return set ? set : "/nonexistent";
}

static void note_time(void) {
    const char *path = getenv("FAKE_CLOCK");
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    if (fd >= 0) {
        dprintf(fd, "%lld\n", (long long)t.tv_sec * 1000000000 + t.tv_nsec);
        close(fd);
    }
}

static void path_of(const char *name, const char *file, char *path, size_t size) {
    snprintf(path, size, "%s/%s/%s", home(), name, file);
}

static void print_one(const char *name, int is_json) {
    const char *status;
    char path[4096];

    path_of(name, "ha.pid", path, sizeof(path));
    status = access(path, F_OK) == 0 ? "Running" : "Stopped";
    if (!is_json) {
        printf("%s %s\n", name, status);
        return;
    }
    printf("{\"name\":\"%s\",\"status\":\"%s\",\"dir\":\"%s/%s\",\"vmType\":\"qemu\","
           "\"arch\":\"x86_64\",\"cpus\":4,\"memory\":4294967296,\"disk\":107374182400,"
           "\"sshLocalPort\":60022,\"sshConfigFile\":\"%s/%s/ssh.config\",\"hostAgentPID\":0,"
           "\"driverPID\":0,\"protected\":false,\"limaVersion\":\"2.2.0\",\"errors\":[]}\n",
           name, status, home(), name, home(), name);
}

/* Those that are asked for, as the real one does; who asks for several asks for all there are. */
static int list(const char *format, char **names) {
    int is_json = *format == '{' && format[1] == '"';
    DIR *dir = opendir(home());
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        if (strchr("._", entry->d_name[0])) {
            continue;
        }
        if (!names[0] || names[1] || strcmp(names[0], entry->d_name) == 0) {
            print_one(entry->d_name, is_json);
        }
    }
    return 0;
}

static int stop(const char *name) {
    const char *set = getenv("FAKE_STOP_MS");
    long ms = set ? atol(set) : 0;
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    char path[4096];
    FILE *f;
    int pid = 0;

    nanosleep(&t, NULL);
    path_of(name, "ha.pid", path, sizeof(path));
    f = fopen(path, "r");
    if (f && fscanf(f, "%d", &pid) == 1 && pid > 1) {
        kill(pid, SIGTERM);
    }
    unlink(path);
    return 0;
}

static int limactl(int argc, char **argv) {
    const char *format = "";
    int i = 1;

    if (i < argc && strcmp(argv[i], "--log-format") == 0) {
        i += 2;
    }
    if (i < argc && strcmp(argv[i], "--version") == 0) {
        puts("limactl version 2.2.0");
        return 0;
    }
    if (i < argc && strcmp(argv[i], "list") == 0) {
        if (++i + 1 < argc && strcmp(argv[i], "--format") == 0) {
            format = argv[i + 1];
            i += 2;
        }
        return list(format, argv + i);
    }
    if (i < argc && strcmp(argv[i], "stop") == 0) {
        return stop(argv[argc - 1]);
    }
    note_time();
    return 0;
}

/* A program's ssh keeps a log with -E. The other one is its keeper, who says the word that is in its
 * script, and then listens. */
static int ssh(int argc, char **argv) {
    char buf[4096];

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-E") == 0) {
            note_time();
            return 0;
        }
    }
    puts(argv[argc - 1]);
    fflush(stdout);
    while (read(STDIN_FILENO, buf, sizeof(buf)) > 0) {
    }
    return 0;
}

int main(int argc, char **argv) {
    const char *slash = strrchr(argv[0], '/');
    const char *name = slash ? slash + 1 : argv[0];

    if (strcmp(name, "hostagent") == 0) {
        pause();
        return 0;
    }
    if (strcmp(name, "limactl") == 0) {
        return limactl(argc, argv);
    }
    if (strcmp(name, "ssh") == 0) {
        return ssh(argc, argv);
    }
    note_time();
    return 0;
}
