/* SPDX-License-Identifier: MIT */
/* A lima.yaml of anybody's: what is read of it is sane, and what is made of it says what was asked. */
#include "fuzz.h"
#include "engine/lima/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct csb__mount mounts[] = {{(char *)"/home/u/p", (char *)"/home/u/p", true}};
    const struct csb__spec spec = {.mounts = mounts, .n_mounts = 1, .cpus = 3};
    CSB__AUTOLIMACONFIG read = {.locations = CSB__STRV_INIT};
    CSB__AUTOLIMACONFIG again = {.locations = CSB__STRV_INIT};
    CSB__AUTOFREE char *edited = NULL;
    csb_error *err = NULL;

    if (size > CSB__LIMA_CONFIG_MAX) {
        return 0;
    }
    if (fuzz_good(csb__lima_config_read((const char *)data, size, &read, &err), err)) {
        MUST(read.cpus >= 0 && strlen(read.vm_type) < sizeof(read.vm_type));
        for (size_t i = 0; i < read.locations.len; i++) {
            MUST(read.locations.items[i][0] == '/');
        }
    }
    err = NULL;
    if (fuzz_good(csb__lima_config_edit((const char *)data, size, &spec, &edited, &err), err) &&
        csb__lima_config_read(edited, strlen(edited), &again, NULL) == 0) {
        MUST(again.cpus == 3 && again.locations.len == 1);
        MUST(strcmp(again.locations.items[0], "/home/u/p") == 0);
    }
    return 0;
}
