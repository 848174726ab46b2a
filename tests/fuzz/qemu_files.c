/* SPDX-License-Identifier: MIT */
/* The files of a qemu machine, in which numbers are those of processes and ports. */
#include "fuzz.h"
#include "core/path.h"
#include "engine/qemu/image.h"
#include "engine/qemu/instance.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct csb__env env = {.state_dir = (char *)fuzz_dir()};
    CSB__AUTOIMAGE image = {0};
    CSB__AUTOINSTANCE i = {0};
    csb_error *err = NULL;
    char dir[96];

    snprintf(dir, sizeof(dir), "%s/qemu/vm", fuzz_dir());
    if (access(dir, F_OK) != 0) {
        MUST(csb__mkdirs(dir, NULL) == 0);
    }
    fuzz_write("qemu/vm/config.json", data, size);
    fuzz_write("qemu/vm/run.json", data, size);
    fuzz_write("image.json", data, size);
    if (fuzz_good(csb__instance_load(&env, "vm", &i, &err), err)) {
        MUST(i.cpus > 0 && i.cpus <= 256 && i.memory > 0 && i.memory <= INT64_MAX);
        MUST(i.disk > 0 && i.disk <= INT64_MAX && *i.image);
    }
    MUST(i.pid >= 0 && i.ssh_port >= 0 && i.ssh_port <= 65535 && i.boot);
    err = NULL;
    fuzz_good(csb__image_load(fuzz_dir(), &image, &err), err);
    return 0;
}
