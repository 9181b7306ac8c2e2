// SPDX-License-Identifier: GPL-2.0-only
/*
 * From `virtual-device` to minors and a name in /dev.
 *
 * Two encodings (xen-vbd-interface(7)):
 *	1 << 28 | disk << 8 | partition		xvda .., 256 minors a disk
 *	major << 8 | minor			as the disk of that major would be
 *
 * Of the second, major 202 has 16 minors a disk. The majors of hd and sd
 * disks are shown as xvd disks too, counted from xvda in the order in which
 * their own names run. A number that is not the first of its disk stands for
 * a partition that the toolstack made a device of its own: one minor, and a
 * name with the partition's number.
 */
#include <linux/blkdev.h>
#include <linux/kdev_t.h>
#include <linux/mutex.h>

#include "blkfront.h"

#define VDEV_EXT_SHIFT	28
#define PARTS		16u
#define PARTS_EXT	256u
#define HD_PARTS	64u

struct legacy {
	unsigned int major;
	unsigned int parts;	 /* minors of one disk under that major */
	unsigned int first_disk; /* number of its first disk among the xvd */
	bool keeps_part;	 /* a partition keeps its number */
};

static const struct legacy legacy[] = {
	{ 202, PARTS, 0, true },
	/* hda hdb, hdc hdd */
	{ 3, HD_PARTS, 0, false },
	{ 22, HD_PARTS, 2, false },
	/* sda .. sdp, sdq .. and so on */
	{ 8, PARTS, 0, true },
	{ 65, PARTS, 16, true },
	{ 66, PARTS, 32, true },
	{ 67, PARTS, 48, true },
	{ 68, PARTS, 64, true },
	{ 69, PARTS, 80, true },
	{ 70, PARTS, 96, true },
	{ 71, PARTS, 112, true },
	{ 128, PARTS, 128, true },
	{ 129, PARTS, 144, true },
	{ 130, PARTS, 160, true },
	{ 131, PARTS, 176, true },
	{ 132, PARTS, 192, true },
	{ 133, PARTS, 208, true },
	{ 134, PARTS, 224, true },
	{ 135, PARTS, 240, true },
};

/* Ranges of minors in use. */
static LIST_HEAD(taken);
static DEFINE_MUTEX(taken_lock);

/* a .. z, aa .. zz, aaa ..: written from the end. */
static void name_disk(char *name, unsigned int disk, unsigned int part)
{
	char letters[8];
	char *at = letters + sizeof(letters) - 1;

	*at = '\0';
	for (disk++; disk; disk = (disk - 1) / 26)
		*--at = (char)('a' + (disk - 1) % 26);
	if (part)
		snprintf(name, DISK_NAME_LEN, "xvd%s%u", at, part);
	else
		snprintf(name, DISK_NAME_LEN, "xvd%s", at);
}

static void number_disk(struct xpv_blk_number *number, unsigned int disk,
			unsigned int part, unsigned int parts)
{
	number->first_minor = disk * parts + part;
	number->minors = part ? 1 : parts;
	name_disk(number->name, disk, part);
}

static int translate_legacy(u32 vdevice, struct xpv_blk_number *number)
{
	unsigned int major = vdevice >> 8, minor = vdevice & 0xff, i;

	for (i = 0; i < ARRAY_SIZE(legacy); i++) {
		const struct legacy *row = &legacy[i];

		if (row->major != major)
			continue;
		number_disk(number, row->first_disk + minor / row->parts,
			    row->keeps_part ? minor % row->parts : 0, PARTS);
		return 0;
	}
	return -ENODEV;
}

static int translate(u32 vdevice, struct xpv_blk_number *number)
{
	u32 rest = vdevice & ~(1u << VDEV_EXT_SHIFT);

	if (vdevice >> VDEV_EXT_SHIFT > 1)
		return -ENODEV;
	if (vdevice == rest)
		return translate_legacy(vdevice, number);
	if (rest >> MINORBITS)
		return -ENODEV;
	number_disk(number, rest / PARTS_EXT, rest % PARTS_EXT, PARTS_EXT);
	return 0;
}

static bool overlap(const struct xpv_blk_number *a,
		    const struct xpv_blk_number *b)
{
	return a->first_minor < b->first_minor + b->minors &&
	       b->first_minor < a->first_minor + a->minors;
}

/*
 * xvda as an old and as an extended number differ in minors, and can still
 * be of one name.
 */
static int reserve(struct xpv_blk_number *number)
{
	struct xpv_blk_number *other;
	int err = 0;

	mutex_lock(&taken_lock);
	list_for_each_entry(other, &taken, list) {
		if (overlap(number, other) || !strcmp(number->name, other->name))
			err = -EBUSY;
	}
	if (!err)
		list_add(&number->list, &taken);
	mutex_unlock(&taken_lock);
	return err;
}

int xpv_blk_number_take(struct xpv_blk *dev)
{
	struct device *log = &dev->xbdev->dev;
	int err;

	err = translate(dev->vdevice, &dev->number);
	if (err) {
		dev_warn(log, "virtual-device %#x is no disk that we know: use an xvd name\n",
			 dev->vdevice);
		return err;
	}
	err = reserve(&dev->number);
	if (err)
		dev_warn(log, "%s is in use by another device\n",
			 dev->number.name);
	return err;
}

void xpv_blk_number_release(struct xpv_blk *dev)
{
	mutex_lock(&taken_lock);
	list_del_init(&dev->number.list);
	mutex_unlock(&taken_lock);
}
