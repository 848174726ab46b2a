/* SPDX-License-Identifier: MIT */
#include "core/options.h"

#include <string.h>

int csb__options_load(void *dst, size_t dst_size, const void *src, csb_error **err) {
    const unsigned char *bytes = src;
    size_t size;

    if (!src) {
        return 0;
    }
    memcpy(&size, src, sizeof(size));
    if (size < sizeof(size) || size > 65536) {
        return csb__fail(err, CSB_EINVAL, "options without their size: use the ..._INIT macro");
    }
    for (size_t i = dst_size; i < size; i++) {
        if (bytes[i] != 0) {
            return csb__fail(err, CSB_EINVAL, "an option that this version does not know");
        }
    }
    memcpy(dst, src, size < dst_size ? size : dst_size);
    memcpy(dst, &dst_size, sizeof(dst_size));
    return 0;
}
