/* Asks a finger server, and says how long it had to wait: the load of every measurement.
 *
 * A query is a fresh TCP connection: connect, send, read to the end of file. So many are
 * under way at once (-c), each for a name drawn at random from so many (-n), and each
 * answer is checked: how it begins, and that it ends with a whole line. Timed is all of it,
 * from before connect() to the end of file. With a rate (-r) queries begin on schedule
 * whether or not those before have been answered, and are timed from when they were due:
 * a server that stalls is charged for everybody who would have come meanwhile.
 *
 * A server may well be faster than one process can ask. So several can share the work (-j),
 * each with its part of what is under way; it is one load all the same.
 *
 * The server closes first, so TIME_WAIT is its burden, and ports here are free again at
 * once. Prints one line of JSON, times in microseconds. SIGTERM makes it stop beginning,
 * and a limit of its own (-t) ends it whatever the server does.
 */
#include "asking.h"

#include <getopt.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

static volatile sig_atomic_t stopping;

#define MOST_JOBS 64
static pid_t jobs[MOST_JOBS];
static volatile sig_atomic_t job_count;

static void stop(int number) {
    stopping = 1;
    for (int i = 0; i < job_count; i++) kill(jobs[i], number);
}

static void *share(size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) die("load: mmap");
    return memory;
}

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double quantile(uint64_t count, double part) {
    if (!count) return 0;
    uint64_t place = (uint64_t)(part * (double)count);
    return (double)times[place < count ? place : count - 1] / 1000;
}

/* Add up what came of *count* shares, each with room for so many *times* after the other's. */
static void report(const struct result *all, unsigned count, size_t room, int64_t took) {
    struct rusage used;
    getrusage(RUSAGE_CHILDREN, &used);
    double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec +
                 (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    uint64_t answered = 0, failed = 0;
    char first_error[2 * TEXT] = "";
    for (unsigned i = 0; i < count; i++) {
        memmove(times + answered, times + i * room, all[i].answered * sizeof *times);
        answered += all[i].answered;
        if (!failed) memcpy(first_error, all[i].first_error, sizeof first_error);
        failed += all[i].failed;
    }
    for (char *c = first_error; *c; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ') *c = ' ';
    qsort(times, answered, sizeof *times, compare);
    printf("{\"queries\": %llu, \"errors\": %llu, \"first_error\": \"%s\", \"seconds\": %.6f, "
           "\"busy\": %.3f, "
           "\"min\": %.1f, \"median\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"max\": %.1f}\n",
           (unsigned long long)answered, (unsigned long long)failed, first_error,
           (double)took / SECOND, cpu * SECOND / took, quantile(answered, 0),
           quantile(answered, .5), quantile(answered, .99), quantile(answered, .999),
           quantile(answered, 1));
}

/* One process's share: so many at once, for so many seconds at most. */
static void run(unsigned at_once, unsigned limit) {
    struct asking *all = calloc(at_once, sizeof *all);
    struct asking **idle = calloc(at_once, sizeof *idle);
    struct epoll_event events[256], due = {.events = EPOLLIN, .data.ptr = NULL};
    if (!all || !idle) die("load: memory");
    unsigned idle_count = at_once, under_way = 0;
    for (unsigned i = 0; i < at_once; i++) all[i].fd = -1, idle[i] = &all[i];
    poller = epoll_create1(EPOLL_CLOEXEC);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (poller < 0 || timer < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, timer, &due)) die("load");
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
    for (unsigned i = 0; i < at_once; i++)
        if (all[i].fd >= 0) fail(&all[i], "no answer within the limit", 0), end(&all[i]);
}

/* Start process *number*; what it shall do is divided by the number of them by now. */
static void start(unsigned number, unsigned at_once, unsigned limit) {
    jobs[number] = fork();
    if (jobs[number] < 0) die("load: fork");
    if (jobs[number]) {
        job_count = number + 1;
        return;
    }
    job_count = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    result += number, times += number * total;
    seed ^= (uint64_t)number << 40;
    run(at_once, limit);
    exit(0);
}

int main(int argc, char **argv) {
    unsigned at_once = 64, limit = 60, count = 1;
    for (int key; (key = getopt(argc, argv, "p:c:q:n:r:s:t:x:j:Q:A:")) != -1;) switch (key) {
        case 'p': server.sin_port = htons(atoi(optarg)); break;
        case 'c': at_once = atoi(optarg); break;
        case 'q': total = strtoull(optarg, NULL, 10); break;
        case 'n': names = strtoull(optarg, NULL, 10); break;
        case 'r': rate = strtoull(optarg, NULL, 10); break;   /* queries a second */
        case 's': sources = atoi(optarg); break;              /* addresses to ask from */
        case 't': limit = atoi(optarg); break;                /* seconds */
        case 'x': seed ^= strtoull(optarg, NULL, 10) << 20; break;
        case 'j': count = atoi(optarg); break;                /* processes */
        case 'Q': query_pattern = optarg; break;              /* % is the number drawn */
        case 'A': answer_pattern = optarg; break;
        default: return 2;
        }
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK); /* and nowhere else */
    if (!count || count > MOST_JOBS || at_once % count || total % count || rate % count || !names ||
        !at_once || !total)
        exit((fputs("load: arguments\n", stderr), 2));
    at_once /= count, total /= count, rate /= count;
    result = share(count * sizeof *result);
    times = share(count * total * sizeof *times);
    signal(SIGTERM, stop);
    int64_t began = now();
    for (unsigned i = 0; i < count; i++) start(i, at_once, limit);
    int bad = 0, status;
    for (unsigned i = 0; i < count; i++) bad |= waitpid(jobs[i], &status, 0) < 0 || status;
    if (bad) return 2;
    report(result, count, total, now() - began);
    return 0;
}
