// SPDX-License-Identifier: MIT
#include "vlan.h"

#include <string.h>

#define ADDRESSES 12u /* destination and source */
#define EXPECTED                                                               \
	"NAME, NAME.VLAN, NAME:VLAN:VLAN... with a name of 1 to 11 letters, "  \
	"digits, - or _ and VLANs of 0 to 4094"

void vlan_add(struct vlan_set *set, uint16_t vlan)
{
	set->tagged[vlan / 64] |= (uint64_t)1 << vlan % 64;
}

bool vlan_meet(const struct vlan_set *a, const struct vlan_set *b)
{
	if (a->untagged != VLAN_NONE && vlan_carries(b, a->untagged))
		return true;
	if (b->untagged != VLAN_NONE && vlan_carries(a, b->untagged))
		return true;
	for (unsigned int i = 0; i < 64; i++)
		if (a->tagged[i] & b->tagged[i])
			return true;
	return false;
}

void vlan_all(struct vlan_set *set)
{
	memset(set->tagged, 0xff, sizeof(set->tagged));
	set->tagged[0] &= ~(uint64_t)1;
	set->tagged[63] &= ~((uint64_t)1 << 63);
	set->untagged = 0;
}

static bool name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Digits at *text, which moves behind them; false: none, or too large. */
static bool parse_id(const char **text, uint16_t *id)
{
	uint32_t value = 0;
	const char *at = *text;

	for (; *at >= '0' && *at <= '9'; at++) {
		value = value * 10 + (uint32_t)(*at - '0');
		if (value > VLAN_MAX)
			return false;
	}
	if (at == *text)
		return false;
	*text = at;
	*id = (uint16_t)value;
	return true;
}

/* VLAN 0 has no tag: named in a trunk it is the one of untagged frames. */
static bool parse_vlans(const char *at, struct vlan_set *set)
{
	uint16_t id;

	if (*at == '.') {
		at++;
		if (!parse_id(&at, &set->untagged))
			return false;
	} else if (*at == ':') {
		set->untagged = VLAN_NONE;
	}
	while (*at == ':') {
		at++;
		if (!parse_id(&at, &id))
			return false;
		if (id)
			vlan_add(set, id);
		else if (set->untagged == VLAN_NONE)
			set->untagged = 0;
		else
			return false;
	}
	return !*at && (set->untagged == VLAN_NONE ||
			!vlan_is_tagged(set, set->untagged));
}

const char *vlan_parse(const char *text, char name[SWITCH_NAME_MAX + 1],
		       struct vlan_set *set)
{
	uint32_t len = 0;

	while (name_byte(text[len]))
		len++;
	if (!len || len > SWITCH_NAME_MAX)
		return EXPECTED;
	memset(set, 0, sizeof(*set));
	if (!parse_vlans(text + len, set))
		return EXPECTED;
	memcpy(name, text, len);
	name[len] = '\0';
	return NULL;
}

bool vlan_has_tag(const uint8_t *frame)
{
	switch (frame[12] << 8 | frame[13]) {
	case VLAN_ETHER:
	case VLAN_ETHER_SERVICE:
	case VLAN_ETHER_QINQ:
		return true;
	default:
		return false;
	}
}

int vlan_pop(const struct vlan_set *set, uint8_t *frame, uint32_t len,
	     uint16_t *tci)
{
	uint16_t vlan = 0;
	bool tagged;

	if (len < ADDRESSES + 2)
		return -1;
	tagged = (frame[12] << 8 | frame[13]) == VLAN_ETHER;
	if (tagged && len < ADDRESSES + VLAN_TAG_LEN + 2)
		return -1;
	/* A tag that is left could lead into any VLAN behind the next port. */
	if (vlan_has_tag(tagged ? frame + VLAN_TAG_LEN : frame))
		return -1;
	*tci = set->untagged;
	if (tagged) {
		*tci = (uint16_t)(frame[14] << 8 | frame[15]);
		vlan = *tci & VLAN_ID_MASK;
		if (vlan && !vlan_is_tagged(set, vlan))
			return -1;
	}
	/* A tag of VLAN 0 says the priority and nothing else. */
	if (!vlan) {
		if (set->untagged == VLAN_NONE)
			return -1;
		*tci = (uint16_t)((tagged ? *tci & ~VLAN_ID_MASK : 0) |
				  set->untagged);
	}
	if (!tagged)
		return 0;
	memmove(frame + VLAN_TAG_LEN, frame, ADDRESSES);
	return VLAN_TAG_LEN;
}

int vlan_push(const struct vlan_set *set, uint8_t *frame, uint16_t tci)
{
	uint16_t vlan = tci & VLAN_ID_MASK;
	uint8_t *start = frame - VLAN_TAG_LEN;

	if (set->untagged == vlan)
		return 0;
	if (!vlan_is_tagged(set, vlan))
		return -1;
	memmove(start, frame, ADDRESSES);
	start[12] = VLAN_ETHER >> 8;
	start[13] = VLAN_ETHER & 0xff;
	start[14] = (uint8_t)(tci >> 8);
	start[15] = (uint8_t)tci;
	return VLAN_TAG_LEN;
}
