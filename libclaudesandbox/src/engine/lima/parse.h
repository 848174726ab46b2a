/* SPDX-License-Identifier: MIT */
/* What limactl says: from bytes to facts. No effects, no trust in sizes. */
#ifndef CSB_ENGINE_LIMA_PARSE_H
#define CSB_ENGINE_LIMA_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"

#define CSB__LIMA_RECORDS_MAX 4096

/* A line of `limactl list`. */
struct csb__lima_record {
    char *name;
    char *status;  /* "Running", "Stopped", "Broken"; "" when its configuration can't be read */
    char *vm_type; /* "" likewise */
    char *errors;  /* the first line of each, joined; NULL: none */
    int cpus;      /* 0: unknown, as for the next two */
    uint64_t memory;
    uint64_t disk;
};

struct csb__lima_list {
    struct csb__lima_record *items;
    size_t n;
};

/* EPROTOCOL for anything that is not one JSON object a line. Unknown members are ignored. */
int csb__lima_parse_list(const char *text, size_t len, struct csb__lima_list *ret, csb_error **err);
const struct csb__lima_record *csb__lima_list_find(const struct csb__lima_list *list,
                                                   const char *name);
void csb__lima_list_finish(struct csb__lima_list *list);
#define CSB__AUTOLIMALIST CSB__CLEANUP(csb__lima_list_finish) struct csb__lima_list

/* From `limactl --version`. What has no number ("<unknown>", a build from git) counts as newest,
 * as it does for Lima itself. EPROTOCOL when it is no limactl. `word` is what it calls itself. */
int csb__lima_parse_version(const char *text, int *major, int *minor, char word[64],
                            csb_error **err);

/* The message of the last fatal line on limactl's stderr, else of the last error or panic, else the
 * last line: one printable line, to be freed. NULL when there is nothing or no memory. */
char *csb__lima_fatal_message(const char *text);

/* What the host agent's events (ha.stdout.log) say last. */
enum {
    CSB__LIMA_NO_EVENTS,
    CSB__LIMA_BOOTING,
    CSB__LIMA_READY, /* also "degraded": something optional failed */
    CSB__LIMA_EXITING
};
int csb__lima_parse_events(const char *text, size_t len);

/* Whether the configuration that Lima will use shares exactly what the spec asks for, in a way that
 * we trust: EPROTOCOL says what differs. */
int csb__lima_check_config(const char *text, size_t len, const struct csb__spec *spec,
                           csb_error **err);

#endif
