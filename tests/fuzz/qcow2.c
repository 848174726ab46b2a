/* SPDX-License-Identifier: MIT */
/* The head of a disk that may be anybody's; and what is written of one is read back. */
#include "fuzz.h"
#include "engine/lima/qcow2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static unsigned char made[CSB__QCOW2_OVERLAY];
    CSB__AUTOFREE char *name = fuzz_text(data, size);
    struct csb__qcow2 q = {0};

    if (csb__qcow2_parse(data, size, &q)) {
        MUST(memchr(q.backing, '\0', sizeof(q.backing)));
    }
    if (csb__qcow2_overlay((uint64_t)20 << 30, name, made)) {
        MUST(csb__qcow2_parse(made, sizeof(made), &q));
        MUST(q.plain && q.size == (uint64_t)20 << 30 && strcmp(q.backing, name) == 0);
    }
    return 0;
}
