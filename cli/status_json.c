/* SPDX-License-Identifier: MIT */
#include <jansson.h>
#include <stdio.h>

#include "status.h"

static json_t *server(const struct server_status *s) {
    return json_pack("{s:s, s:I, s:I, s:s}", "state", cli_server_word(s->state), "pid",
                     (json_int_t)s->pid, "since", (json_int_t)s->since, "version", s->version);
}

static json_t *machine(const csb_vm *vm) {
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:I, s:I, s:I}", "name", csb_vm_name(vm), "state",
        csb_vm_state_name(vm), "reason", csb_vm_state_reason(vm), "engine", csb_vm_engine(vm),
        "project_dir", csb_vm_project_dir(vm), "cpus", csb_vm_cpus(vm), "memory_bytes",
        (json_int_t)csb_vm_memory_bytes(vm), "disk_bytes", (json_int_t)csb_vm_disk_bytes(vm),
        "disk_used_bytes", (json_int_t)csb_vm_disk_used_bytes(vm), "created",
        (json_int_t)csb_vm_created(vm), "started", (json_int_t)csb_vm_started(vm));
}

/* `schema` changes when something that was there changes; members may be added any time. */
int cli_status_json(const struct status *s) {
    json_t *vms = json_array();
    json_t *root = json_pack("{s:i, s:s?, s:s?, s:s?, s:s, s:o, s:o, s:o}", "schema", 1, "base_vm",
                             s->base_vm, "template", s->template, "engine", s->engine, "engine_why",
                             s->engine_why, "hooks_server", server(&s->hooks), "audio_server",
                             server(&s->audio), "vms", vms);
    int rc = root ? 0 : -1;

    for (size_t i = 0; rc == 0 && i < csb_vm_list_count(s->list); i++) {
        rc = json_array_append_new(vms, machine(csb_vm_list_get(s->list, i)));
    }
    if (rc == 0) {
        rc = json_dumpf(root, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(root);
    return rc == 0 ? 0 : EXIT_SANDBOX;
}
