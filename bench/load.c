/* Asks a finger server, and says how long it had to wait: the load of every measurement.
 *
 * A query is a fresh TCP connection: connect, send, read to the end of file. So many are
 * under way at once (-c), each for a name drawn at random from so many (-n), and each
 * answer is checked: how it begins, and that it ends with a whole line. Timed is all of it,
 * from before connect() to the end of file. With a rate (-r) queries begin on schedule
 * whether or not those before have been answered, and are timed from when they were due:
 * a server that stalls is charged for everybody who would have come meanwhile.
 *
 * The server closes first, so TIME_WAIT is its burden, and ports here are free again at
 * once. Prints one line of JSON, times in microseconds. SIGTERM makes it stop beginning,
 * and a limit of its own (-t) ends it whatever the server does.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define TEXT 256 /* bytes of a query, and of an answer's beginning */

struct asking { /* one query that is under way */
    int fd;
    int sending; /* the query did not go out whole at once */
    int64_t began;
    size_t got, query_length, answer_length;
    char query[TEXT], answer[TEXT], head[TEXT], last;
};

static const char *query_pattern = "user%", *answer_pattern = "user% ";
static struct sockaddr_in server = {.sin_family = AF_INET};
static uint64_t names = 10000, seed = 88172645463325252ULL;
static unsigned sources = 0;
static int poller;
static int64_t *times;
static uint64_t answered, failed, begun, total = 20000, rate = 0;
static char first_error[2 * TEXT];
static volatile sig_atomic_t stopping;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static void die(const char *what) {
    perror(what);
    exit(2);
}

static void stop(int number) {
    (void)number;
    stopping = 1;
}

static uint64_t draw(uint64_t below) { /* xorshift64* */
    seed ^= seed >> 12, seed ^= seed << 25, seed ^= seed >> 27;
    return (seed * 2685821657736338717ULL >> 16) % below;
}

/* Write the pattern with the number where its first % is; return the length. */
static size_t fill(char *out, const char *pattern, uint64_t number, const char *end) {
    const char *mark = strchr(pattern, '%');
    int head = mark ? (int)(mark - pattern) : (int)strlen(pattern);
    int size = mark ? snprintf(out, TEXT, "%.*s%llu%s%s", head, pattern,
                               (unsigned long long)number, mark + 1, end)
                    : snprintf(out, TEXT, "%s%s", pattern, end);
    if (size >= TEXT) exit((fputs("load: a pattern is too long\n", stderr), 2));
    return size;
}

static void fail(struct asking *one, const char *what, int error) {
    if (!failed++)
        snprintf(first_error, sizeof first_error, "%.100s: %s%s", one->query, what,
                 error ? strerror(error) : "");
}

static void end(struct asking *one) {
    if (one->fd >= 0) close(one->fd);
    one->fd = -1;
}

static void send_query(struct asking *one) {
    ssize_t sent = send(one->fd, one->query, one->query_length, MSG_NOSIGNAL);
    one->sending = sent < 0 && errno == EAGAIN; /* some dozen bytes go whole or not at all */
    if (sent < 0 && !one->sending) fail(one, "send: ", errno), end(one);
}

static void begin(struct asking *one, int64_t when) {
    uint64_t number = draw(names);
    one->query_length = fill(one->query, query_pattern, number, "\r\n");
    one->answer_length = fill(one->answer, answer_pattern, number, "");
    one->got = 0;
    one->began = when;
    one->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (one->fd < 0) die("load: socket");
    if (sources) {
        struct sockaddr_in own = {.sin_family = AF_INET};
        int yes = 1; /* the port is chosen by connect(), which knows what is free */
        own.sin_addr.s_addr = htonl(0x7f010001 + begun % sources);
        setsockopt(one->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
        if (bind(one->fd, (struct sockaddr *)&own, sizeof own) < 0) die("load: bind");
    }
    begun++;
    if (connect(one->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS) {
        fail(one, "connect: ", errno), end(one);
        return;
    }
    send_query(one); /* on loopback the connection is there already */
    if (one->fd < 0) return;
    struct epoll_event event = {.events = EPOLLIN | (one->sending ? EPOLLOUT : 0)};
    event.data.ptr = one;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, one->fd, &event) < 0) die("load: epoll_ctl");
}

static void check(struct asking *one) {
    if (one->got < one->answer_length || memcmp(one->head, one->answer, one->answer_length))
        fail(one, "a wrong answer", 0);
    else if (one->last != '\n')
        fail(one, "an answer that is cut off", 0);
    else
        times[answered++] = now() - one->began;
}

static void receive(struct asking *one) {
    static char buffer[65536];
    for (;;) {
        ssize_t size = recv(one->fd, buffer, sizeof buffer, 0);
        if (size < 0 && errno == EAGAIN) return;
        if (size <= 0) {
            size < 0 ? fail(one, "recv: ", errno) : check(one);
            end(one);
            return;
        }
        if (one->got < TEXT) {
            size_t room = TEXT - one->got;
            memcpy(one->head + one->got, buffer, (size_t)size < room ? (size_t)size : room);
        }
        one->got += size;
        one->last = buffer[size - 1];
    }
}

static void proceed(struct asking *one) {
    if (one->sending) {
        send_query(one);
        if (one->fd < 0 || one->sending) return;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = one};
        if (epoll_ctl(poller, EPOLL_CTL_MOD, one->fd, &event) < 0) die("load: epoll_ctl");
    }
    receive(one);
}

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double quantile(double part) {
    if (!answered) return 0;
    uint64_t place = (uint64_t)(part * (double)answered);
    return (double)times[place < answered ? place : answered - 1] / 1000;
}

static void report(int64_t took) {
    for (char *c = first_error; *c; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ') *c = ' ';
    struct rusage used;
    getrusage(RUSAGE_SELF, &used); /* before the sorting, which nobody waits for */
    double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec +
                 (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    qsort(times, answered, sizeof *times, compare);
    printf("{\"queries\": %llu, \"errors\": %llu, \"first_error\": \"%s\", \"seconds\": %.6f, "
           "\"busy\": %.3f, "
           "\"min\": %.1f, \"median\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"max\": %.1f}\n",
           (unsigned long long)answered, (unsigned long long)failed, first_error,
           (double)took / SECOND,
           cpu * SECOND / took, quantile(0), quantile(.5), quantile(.99), quantile(.999),
           quantile(1));
}

int main(int argc, char **argv) {
    unsigned at_once = 64, limit = 60, under_way = 0;
    for (int key; (key = getopt(argc, argv, "p:c:q:n:r:s:t:x:Q:A:")) != -1;) switch (key) {
        case 'p': server.sin_port = htons(atoi(optarg)); break;
        case 'c': at_once = atoi(optarg); break;
        case 'q': total = strtoull(optarg, NULL, 10); break;
        case 'n': names = strtoull(optarg, NULL, 10); break;
        case 'r': rate = strtoull(optarg, NULL, 10); break;   /* queries a second */
        case 's': sources = atoi(optarg); break;              /* addresses to ask from */
        case 't': limit = atoi(optarg); break;                /* seconds */
        case 'x': seed ^= strtoull(optarg, NULL, 10) << 20; break;
        case 'Q': query_pattern = optarg; break;              /* % is the number drawn */
        case 'A': answer_pattern = optarg; break;
        default: return 2;
        }
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK); /* and nowhere else */
    struct asking *all = calloc(at_once, sizeof *all);
    struct asking **idle = calloc(at_once, sizeof *idle);
    struct epoll_event events[256], due = {.events = EPOLLIN, .data.ptr = NULL};
    times = calloc(total, sizeof *times);
    if (!at_once || !names || !total || !all || !idle || !times) die("load: arguments");
    unsigned idle_count = at_once;
    for (unsigned i = 0; i < at_once; i++) all[i].fd = -1, idle[i] = &all[i];
    poller = epoll_create1(EPOLL_CLOEXEC);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (poller < 0 || timer < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, timer, &due)) die("load");
    signal(SIGTERM, stop);
    alarm(limit + 5); /* should all else fail */
    int64_t start = now(), last = start + limit * SECOND;
    while (now() < last) {
        while (idle_count && begun < total && !stopping) {
            int64_t when = now();
            if (rate) {
                int64_t planned = start + (int64_t)(begun * (double)SECOND / rate);
                struct itimerspec next = {.it_value = {planned / SECOND, planned % SECOND}};
                if (planned > when) {
                    timerfd_settime(timer, TFD_TIMER_ABSTIME, &next, NULL);
                    break;
                }
                when = planned;
            }
            struct asking *one = idle[--idle_count];
            begin(one, when);
            if (one->fd < 0) idle[idle_count++] = one;
        }
        under_way = at_once - idle_count;
        if (!under_way && (stopping || begun >= total)) break;
        int count = epoll_wait(poller, events, 256, 100);
        for (int i = 0; i < count; i++) {
            struct asking *one = events[i].data.ptr;
            uint64_t ticks;
            if (!one) {
                if (read(timer, &ticks, sizeof ticks) < 0 && errno != EAGAIN) die("load: timer");
                continue;
            }
            proceed(one);
            if (one->fd < 0) idle[idle_count++] = one;
        }
    }
    int64_t took = now() - start;
    for (unsigned i = 0; i < at_once; i++)
        if (all[i].fd >= 0) fail(&all[i], "no answer within the limit", 0), end(&all[i]);
    report(took);
    return 0;
}
