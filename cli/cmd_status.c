/* SPDX-License-Identifier: MIT */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static void format_size(uint64_t bytes, char *out, size_t size) {
    if (bytes == 0) {
        snprintf(out, size, "-");
    } else if (bytes % (UINT64_C(1) << 30) == 0) {
        snprintf(out, size, "%lluGiB", (unsigned long long)(bytes >> 30));
    } else {
        snprintf(out, size, "%lluMiB", (unsigned long long)(bytes >> 20));
    }
}

static int name_width(const csb_vm_list *list) {
    size_t width = strlen("NAME");

    for (size_t i = 0; i < csb_vm_list_count(list); i++) {
        size_t len = strlen(csb_vm_name(csb_vm_list_get(list, i)));

        width = len > width ? len : width;
    }
    return (int)width;
}

/* A tab between columns where a program reads, aligned where a person does. */
static void print_row(bool aligned, int width, const char *const *cells) {
    if (aligned) {
        printf("%-*s  %-8s  %-6s  %4s  %8s  %8s  %s\n", width, cells[0], cells[1], cells[2],
               cells[3], cells[4], cells[5], cells[6]);
    } else {
        printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\n", cells[0], cells[1], cells[2], cells[3], cells[4],
               cells[5], cells[6]);
    }
}

static void print_vm(bool aligned, int width, const csb_vm *vm) {
    char cpus[16];
    char memory[32];
    char disk[32];
    const char *cells[] = {
        csb_vm_name(vm),       csb_vm_state_name(vm), csb_vm_engine(vm), cpus, memory, disk,
        csb_vm_project_dir(vm)};

    snprintf(cpus, sizeof(cpus), csb_vm_cpus(vm) ? "%d" : "-", csb_vm_cpus(vm));
    format_size(csb_vm_memory_bytes(vm), memory, sizeof(memory));
    format_size(csb_vm_disk_bytes(vm), disk, sizeof(disk));
    print_row(aligned, width, cells);
}

/* `schema` changes when something that was there changes; members may be added any time. */
static int print_json(const csb_vm_list *list) {
    json_t *vms = json_array();
    json_t *root = json_pack("{s:i, s:o*}", "schema", 1, "vms", vms);
    int rc = root ? 0 : -1;

    for (size_t i = 0; rc == 0 && i < csb_vm_list_count(list); i++) {
        const csb_vm *vm = csb_vm_list_get(list, i);

        rc = json_array_append_new(
            vms,
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:I, s:I}", "name", csb_vm_name(vm), "state",
                      csb_vm_state_name(vm), "reason", csb_vm_state_reason(vm), "engine",
                      csb_vm_engine(vm), "project_dir", csb_vm_project_dir(vm), "cpus",
                      csb_vm_cpus(vm), "memory_bytes", (json_int_t)csb_vm_memory_bytes(vm),
                      "disk_bytes", (json_int_t)csb_vm_disk_bytes(vm)));
    }
    if (rc == 0) {
        rc = json_dumpf(root, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(root);
    return rc == 0 ? 0 : EXIT_SANDBOX;
}

static int run(csb_ctx *ctx, const struct cli_options *o) {
    static const char *const head[] = {"NAME",   "STATE", "ENGINE", "CPUS",
                                       "MEMORY", "DISK",  "PROJECT"};
    bool terminal = isatty(STDOUT_FILENO);
    csb_vm_list *list = NULL;
    csb_error *err = NULL;
    int width;

    if (csb_vm_list_new(ctx, &list, &err) != 0) {
        return cli_report(err);
    }
    if (o->json) {
        int status = print_json(list);

        csb_vm_list_free(list);
        return status;
    }
    width = name_width(list);
    if (csb_vm_list_count(list) == 0 && terminal) {
        printf("There are no VMs yet. `claude-sandbox` in a project's directory makes one.\n");
    } else {
        print_row(terminal, width, head);
    }
    for (size_t i = 0; i < csb_vm_list_count(list); i++) {
        const csb_vm *vm = csb_vm_list_get(list, i);

        print_vm(terminal, width, vm);
        if (terminal && *csb_vm_state_reason(vm)) {
            fflush(stdout);
            cli_print_safe(csb_vm_state_reason(vm));
        }
    }
    csb_vm_list_free(list);
    return 0;
}

const struct cli_command cmd_status = {
    .name = "status",
    .arguments = "",
    .summary = "all VMs: state, engine, size, project",
    .run = run,
};
