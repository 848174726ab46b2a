/*
 * Makes the root file system as large as its disk. The image is smaller than the disk that a
 * machine gets, and a disk may be made larger later.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

/* From the kernel's fs/ext4/ext4.h, which no exported header has. */
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)

static int device_size(uint64_t *bytes) {
    int fd = open("/dev/vda", O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : ioctl(fd, BLKGETSIZE64, bytes);

    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

int disk_grow(void) {
    struct statfs fs;
    uint64_t bytes = 0;
    uint64_t blocks;
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fstatfs(fd, &fs) < 0 ? -1 : device_size(&bytes);

    if (rc == 0) {
        blocks = bytes / (uint64_t)fs.f_bsize;
        /* Does nothing when the size is right already. */
        rc = ioctl(fd, EXT4_IOC_RESIZE_FS, &blocks);
    }
    if (fd >= 0) {
        int saved = errno;

        close(fd);
        errno = saved;
    }
    return rc;
}
