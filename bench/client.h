/* What every program that asks a server has: a clock, an end, chance, and a connection. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

static struct sockaddr_in server = {.sin_family = AF_INET};
static uint64_t seed = 88172645463325252ULL;
static int poller;

static inline int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static inline void die(const char *what) {
    perror(what);
    exit(2);
}

static inline uint64_t draw(uint64_t below) { /* xorshift64* */
    seed ^= seed >> 12, seed ^= seed << 25, seed ^= seed >> 27;
    return (seed * 2685821657736338717ULL >> 16) % below;
}

/* Return a socket that does not block; the first of so many sources is 127.1.0.1, 0 is none. */
static inline int open_socket(uint64_t number, unsigned sources) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    if (sources) {
        struct sockaddr_in own = {.sin_family = AF_INET};
        int yes = 1; /* the port is chosen by connect(), which knows what is free */
        own.sin_addr.s_addr = htonl(0x7f010001 + number % sources);
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
        if (bind(fd, (struct sockaddr *)&own, sizeof own) < 0) die("bind");
    }
    return fd;
}
