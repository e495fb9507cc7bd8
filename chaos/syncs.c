/* Preloaded into a process, fails its fsync() and fdatasync() with EIO: the one numbered STORIED_FAIL_AT, and with
   STORIED_FAIL_ON=1 all that follow. Tells on stderr which it was. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_int calls;

static int fails(void) {
    const char *at = getenv("STORIED_FAIL_AT"), *on = getenv("STORIED_FAIL_ON");
    int call = atomic_fetch_add(&calls, 1) + 1, wanted = at ? atoi(at) : 0;
    if (wanted == 0 || call < wanted || (call > wanted && !(on && *on == '1'))) return 0;
    if (call == wanted && write(2, "INJECTED\n", 9) != 9) return 1;
    return 1;
}

int fsync(int file) {
    if (fails()) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file);
}

int fdatasync(int file) {
    if (fails()) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(file);
}
