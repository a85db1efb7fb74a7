/* doorbell: an epoll set over ZMQ_FDs and a list of sockets that have input. */
#include "runtime/doorbell.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include "runtime/assert.h"

enum { RANG_MAX = 64 }; /* taken from the set at once; level triggered, so the others ring on */

static int descriptor(const struct doorbell *bell) {
    int fd = -1;
    size_t size = sizeof fd;
    return zmq_getsockopt(bell->socket, ZMQ_FD, &fd, &size) == 0 ? fd : -1;
}

enum status doorbells_open(struct doorbells *bells) {
    *bells = (struct doorbells){.epoll = epoll_create1(EPOLL_CLOEXEC)};
    bells->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (bells->epoll >= 0 && bells->bell >= 0 &&
        epoll_ctl(bells->epoll, EPOLL_CTL_ADD, bells->bell, &event) == 0) {
        return STATUS_OK;
    }
    doorbells_close(bells);
    return STATUS_IO;
}

void doorbells_close(struct doorbells *bells) {
    assert(!bells->first);
    if (bells->bell >= 0) close(bells->bell);
    if (bells->epoll >= 0) close(bells->epoll);
    bells->bell = bells->epoll = -1;
}

static void ring(struct doorbells *bells) {
    if (bells->rung) return;
    uint64_t one = 1;
    bells->rung = write(bells->bell, &one, sizeof one) == sizeof one;
}

static void hush(struct doorbells *bells) {
    uint64_t count;
    if (bells->rung && read(bells->bell, &count, sizeof count) == sizeof count) bells->rung = false;
}

enum status doorbell_add(struct doorbells *bells, struct doorbell *bell) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = bell};
    if (epoll_ctl(bells->epoll, EPOLL_CTL_ADD, descriptor(bell), &event) != 0) return STATUS_IO;
    doorbell_list(bells, bell);
    ring(bells);
    return STATUS_OK;
}

static void unlist(struct doorbells *bells, struct doorbell *bell) {
    struct doorbell *before = NULL;
    for (struct doorbell *b = bells->first; b != bell; b = b->next)
        before = b;
    if (before)
        before->next = bell->next;
    else
        bells->first = bell->next;
    if (bells->last == bell) bells->last = before;
    bell->listed = false;
}

void doorbell_remove(struct doorbells *bells, struct doorbell *bell) {
    if (!bell->socket) return;
    if (bell->listed) unlist(bells, bell);
    epoll_ctl(bells->epoll, EPOLL_CTL_DEL, descriptor(bell), NULL);
    bell->socket = NULL;
}

void doorbells_poll(struct doorbells *bells) {
    struct epoll_event rang[RANG_MAX];
    int n = epoll_wait(bells->epoll, rang, RANG_MAX, 0);
    hush(bells);
    for (int i = 0; i < n; i++) {
        if (rang[i].data.ptr) doorbell_list(bells, rang[i].data.ptr);
    }
}

struct doorbell *doorbells_pop(struct doorbells *bells) {
    struct doorbell *bell = bells->first;
    if (bell) unlist(bells, bell);
    return bell;
}

void doorbell_list(struct doorbells *bells, struct doorbell *bell) {
    if (bell->listed) return;
    bell->listed = true;
    bell->next = NULL;
    if (bells->last)
        bells->last->next = bell;
    else
        bells->first = bell;
    bells->last = bell;
}

void doorbell_check(struct doorbells *bells, struct doorbell *bell) {
    int events = 0;
    size_t size = sizeof events;
    if (bell->listed) return;
    if (zmq_getsockopt(bell->socket, ZMQ_EVENTS, &events, &size) != 0 || !(events & ZMQ_POLLIN)) {
        return;
    }
    doorbell_list(bells, bell);
    ring(bells);
}
