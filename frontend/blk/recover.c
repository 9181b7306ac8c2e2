// SPDX-License-Identifier: GPL-2.0-only
/*
 * Restore and migration: the backend is another one, and so are the rings,
 * the grants and the event channel. What was in flight is sent once more; it
 * may have been done already, which does no harm as nobody has been told.
 *
 * A request that was made for a backend that could more (longer requests,
 * another kind of flush) goes back to where the block layer cuts bios into
 * requests.
 */
#include "blkfront.h"

static void pause(struct xpv_blk *dev)
{
	if (!dev->disk || dev->paused)
		return;
	blk_mq_quiesce_queue(dev->disk->queue);
	dev->paused = true;
}

void xpv_blk_unpause(struct xpv_blk *dev)
{
	lockdep_assert_held(&dev->mutex);
	if (!dev->paused)
		return;
	dev->paused = false;
	blk_mq_unquiesce_queue(dev->disk->queue);
}

/*
 * The state is Initialising again, and xenbus watches the new backend after
 * this; the step that finds it waiting makes the new rings. A disk that was
 * being closed does not come back: what close() waits for fails.
 */
int xpv_blk_resume(struct xenbus_device *xbdev)
{
	struct xpv_blk *dev = dev_get_drvdata(&xbdev->dev);

	mutex_lock(&dev->mutex);
	if (test_bit(XPV_BLK_CLOSING, &dev->flags)) {
		xpv_blk_channels_shut(dev, XPV_BLK_FAIL);
	} else {
		pause(dev);
		xpv_blk_channels_shut(dev, XPV_BLK_REQUEUE);
	}
	xenbus_switch_state(xbdev, XenbusStateInitialising);
	mutex_unlock(&dev->mutex);
	queue_work(system_freezable_wq, &dev->step);
	return 0;
}

/* End a request without its bios, and have these submitted again. */
void xpv_blk_replay_request(struct xpv_blk *dev, struct request *rq)
{
	unsigned long flags;

	spin_lock_irqsave(&dev->bios_lock, flags);
	while (rq->bio) {
		struct bio *bio = rq->bio;

		rq->bio = bio->bi_next;
		bio->bi_next = NULL;
		bio_list_add(&dev->bios, bio);
	}
	rq->biotail = NULL;
	spin_unlock_irqrestore(&dev->bios_lock, flags);
	blk_mq_end_request(rq, BLK_STS_OK);
	queue_work(system_unbound_wq, &dev->replay);
}

void xpv_blk_replay(struct work_struct *work)
{
	struct xpv_blk *dev = container_of(work, struct xpv_blk, replay);
	struct bio_list bios;
	struct bio *bio;

	spin_lock_irq(&dev->bios_lock);
	bios = dev->bios;
	bio_list_init(&dev->bios);
	spin_unlock_irq(&dev->bios_lock);
	while ((bio = bio_list_pop(&bios))) {
		/* Its caller has long returned, or polls another ring. */
		bio->bi_opf &= ~(REQ_NOWAIT | REQ_POLLED);
		submit_bio_noacct(bio);
	}
}

/*
 * Another backend may serve more rings: then the disk gets as many hardware
 * queues. It never gets fewer: someone may be polling one of them, and they
 * can share a ring. Waits until the disk is idle.
 */
void xpv_blk_regroup(struct work_struct *work)
{
	struct xpv_blk *dev = container_of(work, struct xpv_blk, regroup);
	struct xpv_blk_shape more;
	bool grown;

	xpv_blk_disk_settle(dev);
	mutex_lock(&dev->mutex);
	more.irq = max(dev->rings.irq, dev->hw.irq);
	/* maps of polled queues cannot be added to a disk that had none */
	more.poll = dev->hw.poll ? max(dev->rings.poll, dev->hw.poll) : 0;
	grown = dev->disk && xpv_blk_total(more) > xpv_blk_total(dev->hw);
	if (grown) {
		dev->hw_old = dev->hw;
		dev->hw_new = more; /* in force from map_queues() on */
	}
	mutex_unlock(&dev->mutex);
	if (!grown)
		return;
	blk_mq_update_nr_hw_queues(&dev->tags, (int)xpv_blk_total(more));

	mutex_lock(&dev->mutex);
	xpv_blk_channels_steer(dev);
	mutex_unlock(&dev->mutex);
}
