/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "safe_text.h"
#include "status.h"

#define CELL 48

/* What a VM's line says besides its name, state, engine and project. */
struct cells {
    char cpus[CELL];
    char memory[CELL];
    char disk[CELL];
    char used[CELL];
};

static void format_size(uint64_t bytes, char *out) {
    if (bytes == 0) {
        snprintf(out, CELL, "-");
    } else if (bytes % (UINT64_C(1) << 30) == 0) {
        snprintf(out, CELL, "%lluGiB", (unsigned long long)(bytes >> 30));
    } else {
        snprintf(out, CELL, "%lluMiB", (unsigned long long)(bytes >> 20));
    }
}

static void fill(const csb_vm *vm, struct cells *c) {
    snprintf(c->cpus, CELL, csb_vm_cpus(vm) ? "%d" : "-", csb_vm_cpus(vm));
    format_size(csb_vm_memory_bytes(vm), c->memory);
    format_size(csb_vm_disk_bytes(vm), c->disk);
    format_size(csb_vm_disk_used_bytes(vm) >> 20 << 20, c->used);
}

/* A directory may be called anything, also two lines of a table. */
static void put_project(const csb_vm *vm) {
    const char *dir = csb_vm_project_dir(vm);

    for (; *dir; dir++) {
        size_t len = strcspn(dir, "\t");

        safe_text_put(stdout, dir, len);
        dir += len;
        if (!*dir) {
            return;
        }
        putchar('?');
    }
}

/* ---- for programs ---------------------------------------------------------------------------- */

/* New columns come at the end. */
void cli_status_columns(const struct status *s) {
    printf("NAME\tSTATE\tENGINE\tCPUS\tMEMORY\tDISK\tPROJECT\tUSED\tSINCE\n");
    for (size_t i = 0; i < csb_vm_list_count(s->list); i++) {
        const csb_vm *vm = csb_vm_list_get(s->list, i);
        time_t started = (time_t)csb_vm_started(vm);
        char since[CELL] = "-";
        struct cells c;
        struct tm tm;

        fill(vm, &c);
        if (started && gmtime_r(&started, &tm)) {
            strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", &tm);
        }
        printf("%s\t%s\t%s\t%s\t%s\t%s\t", csb_vm_name(vm), csb_vm_state_name(vm),
               csb_vm_engine(vm), c.cpus, c.memory, c.disk);
        put_project(vm);
        printf("\t%s\t%s\n", c.used, since);
    }
}

/* ---- for people ------------------------------------------------------------------------------ */

static void local_time(int64_t when, char *out) {
    time_t t = (time_t)when;
    struct tm tm;

    if (!when || !localtime_r(&t, &tm) || strftime(out, CELL, "%Y-%m-%d %H:%M", &tm) == 0) {
        snprintf(out, CELL, "-");
    }
}

static void print_server(const char *title, const struct server_status *s) {
    char since[CELL];

    printf("%-14s", title);
    switch (s->state) {
    case SERVER_RUNNING:
        local_time(s->since, since);
        printf("running since %s, process %lld\n", since, (long long)s->pid);
        break;
    case SERVER_STOPPED:
        printf("not running\n");
        break;
    case SERVER_ABSENT:
        printf("not installed\n");
        break;
    default:
        printf("does not answer\n");
        break;
    }
}

static void print_head(const struct status *s) {
    printf("%-14s%s\n", "base VM", s->base_vm ? s->base_vm : "none");
    printf("%-14s%s\n", "template", s->template ? s->template : "the engine's own");
    printf("%-14s%s\n", "engine",
           s->engine ? s->engine_why : "none is usable: claude-sandbox doctor");
    print_server("hooks server", &s->hooks);
    print_server("audio server", &s->audio);
    putchar('\n');
}

static int name_width(const csb_vm_list *list) {
    size_t width = strlen("NAME");

    for (size_t i = 0; i < csb_vm_list_count(list); i++) {
        size_t len = strlen(csb_vm_name(csb_vm_list_get(list, i)));

        width = len > width ? len : width;
    }
    return (int)width;
}

static void print_vm(const csb_vm *vm, int width) {
    char since[CELL];
    struct cells c;

    fill(vm, &c);
    local_time(csb_vm_started(vm), since);
    printf("%-*s  %-8s  %-6s  %4s  %8s  %8s  %8s  %-16s  ", width, csb_vm_name(vm),
           csb_vm_state_name(vm), csb_vm_engine(vm), c.cpus, c.memory, c.disk, c.used, since);
    put_project(vm);
    putchar('\n');
    if (*csb_vm_state_reason(vm)) {
        fflush(stdout);
        cli_print_safe(csb_vm_state_reason(vm));
    }
}

void cli_status_table(const struct status *s) {
    int width = name_width(s->list);

    print_head(s);
    if (csb_vm_list_count(s->list) == 0) {
        printf("There are no VMs yet. `claude-sandbox` in a project's directory makes one.\n");
        return;
    }
    printf("%-*s  %-8s  %-6s  %4s  %8s  %8s  %8s  %-16s  %s\n", width, "NAME", "STATE", "ENGINE",
           "CPUS", "MEMORY", "DISK", "USED", "SINCE", "PROJECT");
    for (size_t i = 0; i < csb_vm_list_count(s->list); i++) {
        print_vm(csb_vm_list_get(s->list, i), width);
    }
}
