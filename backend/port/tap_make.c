// SPDX-License-Identifier: MIT
#include "tap_make.h"

#include "../ipc.h"
#include "../reason.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TUN_DEVICE "/dev/net/tun"

/*
 * What the queues of a tap may hold together for a guest that posts no
 * buffers. The kernel counts frames, the longest of which have 64 KiB: a
 * queue gets its share of them, but no more than it has receive slots. The
 * kernel's own 500 for each of 16 queues would come to 512 MiB.
 */
#define TAP_HELD_BYTES	(32u << 20)
#define TAP_MAX_FRAME	65536u
#define TAP_MAX_PACKETS 256u

/*
 * The highest address there is: a bridge takes the lowest one of its ports
 * for its own, and must not change it when a guest comes or goes.
 */
static const unsigned char tap_mac[6] = {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff};

static int fail(struct reason *why, const char *name, const char *what)
{
	int err = errno;

	if (err == EBUSY)
		err = EEXIST;
	if (err == EEXIST)
		reason_set(why,
			   "tap %s: %s: an interface of that name exists "
			   "already (is another process holding it?)",
			   name, what);
	else
		reason_set(why, "tap %s: %s: %s", name, what, strerror(err));
	return -err;
}

static int check_spec(const struct tap_spec *spec, struct reason *why)
{
	size_t len = strlen(spec->name);

	if (!len || len >= IFNAMSIZ || strchr(spec->name, '/') ||
	    strchr(spec->name, '%')) {
		reason_set(why,
			   "tap name \"%s\" must be 1 to %d bytes without / %%",
			   spec->name, IFNAMSIZ - 1);
		return -EINVAL;
	}
	if (!spec->nr_queues || spec->nr_queues > IPC_MAX_QUEUES) {
		reason_set(why, "tap %s: %u queues, not 1 to %u", spec->name,
			   spec->nr_queues, IPC_MAX_QUEUES);
		return -EINVAL;
	}
	return 0;
}

static int queue_len(unsigned int nr_queues)
{
	unsigned int share = TAP_HELD_BYTES / TAP_MAX_FRAME / nr_queues;

	return (int)(share < TAP_MAX_PACKETS ? share : TAP_MAX_PACKETS);
}

static void name_request(struct ifreq *ifr, const struct tap_spec *spec)
{
	memset(ifr, 0, sizeof(*ifr));
	memcpy(ifr->ifr_name, spec->name, strlen(spec->name));
}

/* What belongs to the interface, once, through its first queue. */
static int set_up(const struct tap_spec *spec, int fd, struct reason *why)
{
	struct ifreq ifr;
	int off = 0;

	name_request(&ifr, spec);
	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr.ifr_hwaddr.sa_data, tap_mac, sizeof(tap_mac));
	if (ioctl(fd, SIOCSIFHWADDR, &ifr))
		return fail(why, spec->name, "setting the MAC address");
	if (ioctl(fd, TUNSETCARRIER, &off))
		return fail(why, spec->name, "taking the carrier off");
	return 0;
}

/* MTU and queue length are asked of a socket, not of the tap. */
static int ask_socket(unsigned long what, struct ifreq *ifr, const char *doing,
		      struct reason *why)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret = 0;

	if (sock < 0)
		return fail(why, ifr->ifr_name, "opening a socket");
	if (ioctl(sock, what, ifr))
		ret = fail(why, ifr->ifr_name, doing);
	close(sock);
	return ret;
}

static int put_mtu(struct ifreq *ifr, uint32_t mtu, struct reason *why)
{
	char doing[48];

	snprintf(doing, sizeof(doing), "setting the MTU to %u", mtu);
	ifr->ifr_mtu = (int)mtu;
	return ask_socket(SIOCSIFMTU, ifr, doing, why);
}

static int put_queue_len(struct ifreq *ifr, unsigned int nr_queues,
			 struct reason *why)
{
	ifr->ifr_qlen = queue_len(nr_queues);
	return ask_socket(SIOCSIFTXQLEN, ifr, "setting the queue length", why);
}

static int set_limits(const struct tap_spec *spec, struct reason *why)
{
	struct ifreq ifr;
	int ret;

	name_request(&ifr, spec);
	ret = put_queue_len(&ifr, spec->nr_queues, why);
	return ret || !spec->mtu ? ret : put_mtu(&ifr, spec->mtu, why);
}

/* Scripts may have renamed it. */
static int name_of(int fd, struct ifreq *ifr, struct reason *why)
{
	memset(ifr, 0, sizeof(*ifr));
	if (!ioctl(fd, TUNGETIFF, ifr))
		return 0;
	reason_set(why, "descriptor %d is no tap: %s", fd, strerror(errno));
	return -errno;
}

int tap_mtu(int fd, uint32_t *mtu, struct reason *why)
{
	struct ifreq ifr;
	int ret = name_of(fd, &ifr, why);

	if (!ret)
		ret = ask_socket(SIOCGIFMTU, &ifr, "asking for the MTU", why);
	if (!ret)
		*mtu = (uint32_t)ifr.ifr_mtu;
	return ret;
}

int tap_share(int fd, unsigned int nr_queues, struct reason *why)
{
	struct ifreq ifr;
	int ret = name_of(fd, &ifr, why);

	return ret ? ret : put_queue_len(&ifr, nr_queues, why);
}

int tap_set_mtu(int fd, uint32_t mtu, struct reason *why)
{
	struct ifreq ifr;
	int ret = name_of(fd, &ifr, why);

	return ret ? ret : put_mtu(&ifr, mtu, why);
}

static int open_queue(const struct tap_spec *spec, bool first,
		      struct reason *why)
{
	int fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int hdr_len = sizeof(struct virtio_net_hdr), ret;
	struct ifreq ifr;

	if (fd < 0)
		return fail(why, spec->name, "opening " TUN_DEVICE);
	name_request(&ifr, spec);
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (spec->nr_queues > 1)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	/* Without it TUNSETIFF joins a tap that another process has made. */
	if (first)
		ifr.ifr_flags |= (short)IFF_TUN_EXCL;
	if (ioctl(fd, TUNSETIFF, &ifr)) {
		ret = fail(why, spec->name, "creating the interface");
		close(fd);
		return ret;
	}
	if (ioctl(fd, TUNSETVNETHDRSZ, &hdr_len)) {
		ret = fail(why, spec->name, "setting the header size");
		close(fd);
		return ret;
	}
	return fd;
}

int tap_make(const struct tap_spec *spec, int *fds, struct reason *why)
{
	unsigned int n;
	int ret = check_spec(spec, why);

	if (ret)
		return ret;
	for (n = 0; n < spec->nr_queues; n++) {
		fds[n] = open_queue(spec, n == 0, why);
		if (fds[n] < 0) {
			ret = fds[n];
			goto undo;
		}
	}
	ret = set_up(spec, fds[0], why);
	if (!ret)
		ret = set_limits(spec, why);
	if (!ret)
		return 0;
undo:
	while (n)
		close(fds[--n]);
	return ret;
}

static int set_interface_up(int sock, const char *name, struct reason *why)
{
	struct ifreq ifr = {0};

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(sock, SIOCGIFFLAGS, &ifr))
		return fail(why, name, "reading its flags");
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, &ifr))
		return fail(why, name, "setting it up");
	return 0;
}

uint32_t tap_bridge_mtu(const char *bridge)
{
	struct ifreq ifr = {0};
	struct reason why;

	strncpy(ifr.ifr_name, bridge, IFNAMSIZ - 1);
	if (!*bridge || ask_socket(SIOCGIFMTU, &ifr, "", &why))
		return 0;
	return (uint32_t)ifr.ifr_mtu;
}

/* Else a bridge takes the least MTU of its ports, and drops what is longer. */
static int take_mtu(const char *name, const char *bridge, struct reason *why)
{
	uint32_t mtu = tap_bridge_mtu(bridge);
	struct ifreq ifr = {0};

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	return mtu ? put_mtu(&ifr, mtu, why) : 0;
}

static int add_to_bridge(int sock, const char *name, const char *bridge,
			 struct reason *why)
{
	struct ifreq ifr = {0};

	if (!if_nametoindex(bridge)) {
		reason_set(why, "tap %s: there is no bridge %s to put it into",
			   name, bridge);
		return -ENODEV;
	}
	if (take_mtu(name, bridge, why))
		return -EINVAL;
	strncpy(ifr.ifr_name, bridge, IFNAMSIZ - 1);
	ifr.ifr_ifindex = (int)if_nametoindex(name);
	if (!ioctl(sock, SIOCBRADDIF, &ifr))
		return 0;
	reason_set(why, "tap %s: adding it to the bridge %s: %s", name, bridge,
		   strerror(errno));
	return -errno;
}

int tap_join(const char *name, const char *bridge, struct reason *why)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (sock < 0)
		return fail(why, name, "opening a socket");
	err = set_interface_up(sock, name, why);
	if (!err && *bridge)
		err = add_to_bridge(sock, name, bridge, why);
	close(sock);
	return err;
}
