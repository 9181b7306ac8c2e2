// SPDX-License-Identifier: GPL-2.0-only
/* xpv-netfront: the network frontend of a Xen guest. Probe, remove, module. */
#include <linux/module.h>
#include <xen/platform_pci.h>
#include <xen/xen.h>

#include "netfront.h"

static int net_probe(struct xenbus_device *xbdev,
		     const struct xenbus_device_id *id)
{
	struct xpv_net_device *dev = xpv_net_device_alloc(xbdev);
	int err;

	if (!dev) {
		xenbus_dev_fatal(xbdev, -ENOMEM, "allocating the device");
		return -ENOMEM;
	}
	dev_set_drvdata(&xbdev->dev, dev);
	err = xpv_net_read_mac(dev);
	if (err)
		goto fail;
	err = register_netdev(dev->netdev);
	if (err) {
		xenbus_dev_fatal(xbdev, err, "registering the interface");
		goto fail;
	}
	/* The state a former driver of this device left may be Closed. */
	err = xenbus_switch_state(xbdev, XenbusStateInitialising);
	if (err) {
		unregister_netdev(dev->netdev);
		goto fail;
	}
	return 0;

fail:
	dev_set_drvdata(&xbdev->dev, NULL);
	xpv_net_device_free(dev);
	return err;
}

static void net_remove(struct xenbus_device *xbdev)
{
	struct xpv_net_device *dev = dev_get_drvdata(&xbdev->dev);

	xpv_net_unwatch_link(dev);
	unregister_netdev(dev->netdev);
	cancel_work_sync(&dev->broken_work);
	cancel_delayed_work_sync(&dev->announce_work);
	cancel_delayed_work_sync(&dev->headroom_work);
	xpv_net_mcast_reset(dev);
	xpv_net_leave(dev);
	dev_set_drvdata(&xbdev->dev, NULL);
	xpv_net_device_free(dev);
}

static const struct xenbus_device_id net_ids[] = {
	{"vif"},
	{""},
};

static struct xenbus_driver net_driver = {
	.name = XPV_NET_DRIVER, /* "vif" is the stock driver's */
	.ids = net_ids,
	.probe = net_probe,
	.remove = net_remove,
	.resume = xpv_net_resume,
	.otherend_changed = xpv_net_backend_changed,
};

static int __init net_init(void)
{
	if (!xen_domain() || !xen_has_pv_nic_devices())
		return -ENODEV;
	return xenbus_register_frontend(&net_driver);
}
module_init(net_init);

static void __exit net_exit(void)
{
	xenbus_unregister_driver(&net_driver);
}
module_exit(net_exit);

MODULE_DESCRIPTION("Xen paravirtual network frontend");
MODULE_AUTHOR("xpv");
MODULE_LICENSE("GPL");
MODULE_ALIAS("xen:vif");
