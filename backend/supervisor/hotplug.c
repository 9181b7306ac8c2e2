// SPDX-License-Identifier: MIT
#include "hotplug.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "keys.h"

/* A script on its way. It outlives its device, and is only waited for. */
struct run {
	pid_t pid;
	int pidfd;
	char name[32]; /* the device's, for the log */
};

static int on_end(sd_event_source *source, int fd, uint32_t events,
		  void *userdata)
{
	struct run *run = userdata;
	int status = 0;

	(void)fd;
	(void)events;
	waitpid(run->pid, &status, 0);
	if (status)
		log_daemon(LOG_ERR, "%s: its hotplug script gave %d", run->name,
			   WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	sd_event_source_disable_unref(source);
	close(run->pidfd);
	free(run);
	return 0;
}

static int watch_run(struct device *dev, pid_t pid)
{
	struct run *run = calloc(1, sizeof(*run));
	int err;

	if (!run)
		return -ENOMEM;
	run->pid = pid;
	run->pidfd = pidfd_open(pid, 0);
	memcpy(run->name, dev->name, sizeof(run->name));
	err = sd_event_add_io(dev->sv->event, NULL, run->pidfd, EPOLLIN, on_end,
			      run);
	if (err >= 0)
		return 0;
	free(run);
	return err;
}

/* As libxl runs it. */
static int spawn(const char *script, const char *back, const char *vif,
		 pid_t *pid)
{
	char path[PATH_MAX_STORE], iface[32];
	char *argv[] = {(char *)script, "online", "type_if=vif", NULL};
	char *env[] = {path,
		       iface,
		       "XENBUS_TYPE=" XPV_CLASS_VIF,
		       "XENBUS_BASE_PATH=backend",
		       "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		       NULL};
	posix_spawnattr_t attr;
	sigset_t none;
	int err;

	snprintf(path, sizeof(path), "XENBUS_PATH=%s", back);
	snprintf(iface, sizeof(iface), "vif=%s", vif);
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attr, &none);
	err = posix_spawn(pid, script, NULL, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	return -err;
}

void hotplug_online(struct device *dev, const char *vif)
{
	struct reason why;
	char *script;
	pid_t pid;
	int err;

	if (key_text(dev->sv->hyper, dev->back, XPV_KEY_SCRIPT, &script, &why))
		return;
	if (!script) {
		device_log(dev, LOG_WARNING,
			   "%s is made anew, and no script says where to put "
			   "it",
			   vif);
		return;
	}
	err = spawn(script, dev->back, vif, &pid);
	if (!err)
		err = watch_run(dev, pid);
	if (err)
		device_log(dev, LOG_ERR, "%s cannot be run: %s", script,
			   strerror(-err));
	free(script);
}
