/* SPDX-License-Identifier: MIT */
/*
 * VLANs of a switch port (IEEE 802.1Q): which of them it carries, tagged or
 * not, and the tag itself.
 *
 * Inside the switch a frame has no tag; its VLAN travels beside it, 0 being
 * the one of ports that name none. A guest is in the VLANs that its bridge=
 * names and in no other: unlike Open vSwitch, bridge=NAME alone is no trunk
 * of all of them.
 */
#ifndef XPV_PORT_VLAN_H
#define XPV_PORT_VLAN_H

#include <stdbool.h>
#include <stdint.h>

#define VLAN_MAX     4094u /* 4095 is reserved */
#define VLAN_NONE    0xffffu /* of untagged: such frames are not carried */
#define VLAN_TAG_LEN 4u
#define VLAN_ETHER   0x8100u
/* Of tags that no port has: IEEE 802.1ad's, and what came before it. */
#define VLAN_ETHER_SERVICE 0x88a8u
#define VLAN_ETHER_QINQ	   0x9100u
#define VLAN_ID_MASK	   0x0fffu /* of the tag control information */
/* A switch's name: what is left of 15 bytes of an interface after "xpv-". */
#define SWITCH_NAME_MAX 11u

struct vlan_set {
	uint16_t untagged; /* VLAN of frames without a tag, or VLAN_NONE */
	uint64_t tagged[64]; /* bitmap */
};

static inline bool vlan_is_tagged(const struct vlan_set *set, uint16_t vlan)
{
	return set->tagged[(vlan & VLAN_ID_MASK) / 64] >> vlan % 64 & 1;
}

static inline bool vlan_carries(const struct vlan_set *set, uint16_t vlan)
{
	return set->untagged == vlan || vlan_is_tagged(set, vlan);
}

void vlan_add(struct vlan_set *set, uint16_t vlan);
/* Can a frame get from one to the other? */
bool vlan_meet(const struct vlan_set *a, const struct vlan_set *b);
/* Untagged 0 and all others tagged: an uplink. */
void vlan_all(struct vlan_set *set);

/*
 * Of a vif's `bridge`: NAME, NAME.VLAN (access), NAME:V1:V2 (trunk), or
 * NAME.VLAN:V1:V2 (trunk with a native VLAN), as vif-openvswitch has it.
 * NULL, or what was expected of @text.
 */
const char *vlan_parse(const char *text, char name[SWITCH_NAME_MAX + 1],
		       struct vlan_set *set);

/* Is the type of an Ethernet header that of a tag, of any kind? */
bool vlan_has_tag(const uint8_t *frame);
/*
 * Take the tag off the @len bytes of header at @frame, if there is one; the
 * addresses move up to the type. Returns the bytes by which the frame now
 * starts later (0 or VLAN_TAG_LEN) and in *tci its VLAN and priority. -1: the
 * port does not carry frames like this one, or it has a tag cut short, a tag
 * behind its tag, or one of another kind.
 */
int vlan_pop(const struct vlan_set *set, uint8_t *frame, uint32_t len,
	     uint16_t *tci);
/*
 * Put the tag on, if the port has this VLAN tagged: the frame then starts
 * VLAN_TAG_LEN bytes earlier, where there has to be room. Returns 0 or
 * VLAN_TAG_LEN; -1: the port does not carry this VLAN.
 */
int vlan_push(const struct vlan_set *set, uint8_t *frame, uint16_t tci);

#endif
