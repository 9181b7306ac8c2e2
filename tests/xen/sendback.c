// SPDX-License-Identifier: MIT
/*
 * What is sent comes back as it was.
 *
 *	sendback serve
 *	sendback ADDRESS...
 *
 * The one sends back what it gets, streams and datagrams, IPv4 and IPv6. The
 * other sends to each address, all at the same time: streams, enough of them
 * for every queue, and datagrams of one byte, of a packet, and of fragments.
 * What comes back is compared byte by byte. UDP may lose datagrams, so those
 * that do not come back are sent again, a few times; one that comes back as
 * another is a failure at once.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT	     5000
#define STREAMS	     6u
#define STREAM_BYTES (256u << 10)
#define STUCK_MS     60000
#define MAX_DATAGRAM 65000u
#define TRIES	     8
#define TRY_MS	     3000

/* A packet of each MTU, a byte beyond it, and many fragments. */
static const unsigned int sizes[] = {
	1, 100, 1400, 1472, 1473, 4000, 8972, 8973, 20000, 64972, MAX_DATAGRAM,
};
#define NR_SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* IPv4 as ::ffff:a.b.c.d, which is IPv4 on the wire. */
static struct sockaddr_in6 address(const char *text)
{
	struct sockaddr_in6 a = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(PORT),
	};
	char mapped[64];

	snprintf(mapped, sizeof(mapped), "%s%s",
		 strchr(text, ':') ? "" : "::ffff:", text);
	if (inet_pton(AF_INET6, mapped, &a.sin6_addr) != 1)
		errx(2, "%s is no address", text);
	return a;
}

/* ---- those who send back ---- */

static int bound(int type)
{
	struct sockaddr_in6 any = address("::");
	int s = socket(AF_INET6, type, 0), on = 1, off = 0;

	if (s < 0 || setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
	    bind(s, (struct sockaddr *)&any, sizeof(any)))
		err(1, "port %d", PORT);
	return s;
}

static void serve_datagrams(int s)
{
	static char data[MAX_DATAGRAM];

	for (;;) {
		struct sockaddr_in6 from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(s, data, sizeof(data), 0,
				     (struct sockaddr *)&from, &len);

		/* who sent it sends it again */
		if (n > 0)
			sendto(s, data, (size_t)n, 0, (struct sockaddr *)&from,
			       len);
	}
}

static void serve_stream(int s)
{
	static char data[64 << 10];
	ssize_t n;

	while ((n = read(s, data, sizeof(data))) > 0)
		for (ssize_t at = 0, put; at < n; at += put) {
			put = write(s, data + at, (size_t)(n - at));
			if (put < 0)
				exit(1);
		}
	exit(0);
}

static bool child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return !pid;
}

static void serve(void)
{
	int datagrams = bound(SOCK_DGRAM), streams = bound(SOCK_STREAM);

	signal(SIGCHLD, SIG_IGN);
	if (listen(streams, 64))
		err(1, "listen");
	if (child())
		serve_datagrams(datagrams);
	for (;;) {
		int s = accept(streams, NULL, NULL);

		if (s < 0)
			continue;
		if (child())
			serve_stream(s);
		close(s);
	}
}

/* ---- those who compare ---- */

static void fill(uint8_t *data, uint32_t len, uint32_t seed)
{
	uint32_t x = seed * 2654435761u | 1;

	for (uint32_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		data[i] = (uint8_t)(x >> 8);
	}
}

static int connected(int type, const char *to)
{
	struct sockaddr_in6 at = address(to);
	int s = socket(AF_INET6, type, 0);

	if (s < 0 || connect(s, (struct sockaddr *)&at, sizeof(at)))
		err(1, "%s %s: connect", type == SOCK_STREAM ? "TCP" : "UDP",
		    to);
	fcntl(s, F_SETFL, O_NONBLOCK);
	return s;
}

static ssize_t moved(const char *to, ssize_t n)
{
	if (n < 0 && errno != EAGAIN)
		err(1, "TCP %s", to);
	return n < 0 ? 0 : n;
}

static void stream(const char *to, uint32_t seed)
{
	static uint8_t out[STREAM_BYTES], in[STREAM_BYTES];
	struct pollfd p = {.fd = connected(SOCK_STREAM, to)};
	uint32_t sent = 0, got = 0;

	fill(out, sizeof(out), seed);
	while (got < sizeof(in)) {
		p.events = sent < sizeof(out) ? POLLIN | POLLOUT : POLLIN;
		if (poll(&p, 1, STUCK_MS) <= 0)
			errx(1, "TCP %s: stuck with %u bytes sent, %u got", to,
			     sent, got);
		if (p.revents & POLLOUT)
			sent += moved(to, write(p.fd, out + sent,
						sizeof(out) - sent));
		if (p.revents & ~POLLOUT) {
			ssize_t n = read(p.fd, in + got, sizeof(in) - got);

			if (!n)
				errx(1, "TCP %s: ends after %u bytes", to, got);
			got += moved(to, n);
		}
	}
	if (memcmp(in, out, sizeof(in)))
		errx(1, "TCP %s: other bytes came back", to);
}

/* How often it had to be sent again. */
static unsigned int datagram(const char *to, uint32_t size, uint32_t seed)
{
	static uint8_t out[MAX_DATAGRAM], in[MAX_DATAGRAM];
	struct pollfd p = {.fd = connected(SOCK_DGRAM, to), .events = POLLIN};

	fill(out, size, seed);
	for (unsigned int again = 0; again < TRIES; again++) {
		/* that may fail as well, as when a neighbour is unknown */
		send(p.fd, out, size, 0);
		if (poll(&p, 1, TRY_MS) <= 0)
			continue;
		if (recv(p.fd, in, sizeof(in), 0) != size ||
		    memcmp(in, out, size))
			errx(1, "UDP %s: of %u bytes, others came back", to,
			     size);
		close(p.fd);
		return again;
	}
	errx(1, "UDP %s: %u bytes did not come back", to, size);
}

static void datagrams(const char *to)
{
	for (unsigned int i = 0; i < NR_SIZES; i++) {
		unsigned int again = datagram(to, sizes[i], 1000 + i);

		if (again)
			printf("UDP %s: %u bytes sent %u times\n", to, sizes[i],
			       again + 1);
	}
}

int main(int argc, char **argv)
{
	bool ok = true;
	int status;

	if (argc < 2)
		errx(2, "sendback serve | ADDRESS...");
	if (!strcmp(argv[1], "serve"))
		serve();
	for (int i = 1; i < argc; i++)
		for (uint32_t n = 0; n <= STREAMS; n++)
			if (child()) {
				if (n < STREAMS)
					stream(argv[i], (uint32_t)i * 16 + n);
				else
					datagrams(argv[i]);
				return 0;
			}
	while (wait(&status) >= 0)
		ok &= !status;
	return !ok;
}
