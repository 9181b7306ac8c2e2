/* SPDX-License-Identifier: MIT */
/*
 * The tap port: the worker's half. One descriptor that tap_make() opened is
 * one queue of the interface and one port.
 */
#ifndef XPV_TAP_H
#define XPV_TAP_H

struct port;
struct reason;

/*
 * Serve the tap queue @fd, which becomes the port's on success. NULL, errno
 * and *why otherwise.
 *
 * System calls it makes later: read, write, ioctl TUNSETOFFLOAD,
 * TUNSETQUEUE and TUNSETCARRIER, close.
 */
struct port *tap_open(int fd, struct reason *why);

#endif
