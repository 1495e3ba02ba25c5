/* The least that a server can do: the same answer for everybody, whatever they ask.
 *
 * What the kernel takes for accepting, reading, writing and closing a connection is the
 * same for all servers; this one shows how much that is, since it does nothing else. It
 * tries to read at once and waits with epoll only for a client whose query is not there.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] = "user is well and happy, as everybody is here\r\n";

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* Answer a query if it is there; return whether it was, or never will be. */
static int serve(int client) {
    char query[2048];
    ssize_t size = recv(client, query, sizeof query, MSG_DONTWAIT);
    if (size < 0) return 0;
    send(client, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(client);
    return 1;
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons(argc > 1 ? atoi(argv[1]) : 7979);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address)) die("bind");
    if (listen(listener, 4096)) die("listen");
    int poller = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd != listener) {
                serve(events[i].data.fd);
                continue;
            }
            for (int client; (client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
                if (serve(client)) continue;
                event = (struct epoll_event){.events = EPOLLIN, .data.fd = client};
                epoll_ctl(poller, EPOLL_CTL_ADD, client, &event);
            }
        }
    }
}
