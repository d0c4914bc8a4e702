/* A clock on the wall that jumps by days, back and forth, every few seconds: loaded before libc (LD_PRELOAD).
   What counts from boot (CLOCK_MONOTONIC) is left as it is. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>

typedef int (*gettime)(clockid_t, struct timespec *);

static time_t jump(gettime real) {
    static const time_t days[] = {0, 3, -2, 400, -30, 1};
    struct timespec since;
    real(CLOCK_MONOTONIC, &since);
    return 86400 * days[since.tv_sec / 2 % (sizeof days / sizeof *days)];
}

int clock_gettime(clockid_t which, struct timespec *now) {
    gettime real = (gettime)dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(which, now);
    if (status == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) now->tv_sec += jump(real);
    return status;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec at;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &at);
    now->tv_sec = at.tv_sec;
    now->tv_usec = at.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *into) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (into) *into = at.tv_sec;
    return at.tv_sec;
}
