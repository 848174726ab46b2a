/* SPDX-License-Identifier: MIT */
/* ssh.config as Lima leaves it: only that of the machine itself is a door. */
#include "fuzz.h"
#include "engine/lima/instance_dir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct csb__door door = {0};
    csb_error *err = NULL;

    fuzz_write("ssh.config", data, size);
    if (fuzz_good(csb__lima_door(fuzz_dir(), "a.b", &door, &err), err)) {
        MUST(!*door.ssh_config || memmem(data, size, "Host lima-a-b", 13));
        MUST(!*door.ssh_config == !*door.ssh_host && !*door.ssh_host == !*door.control_path);
        free(door.ssh_config);
        free(door.ssh_host);
        free(door.control_path);
    }
    return 0;
}
