// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Making and ending a local machine and its domains: the toolstack's part. */
#include "hyper/local_machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hyper/hyper.h"

/* ---- domains ---- */

void domains_reap(struct hyper_machine *m)
{
	struct domain *d;
	uint32_t slot;

	for (slot = 0; slot < LOCAL_SLOTS; slot++) {
		d = &m->domains[slot];
		if (!d->taken || !m->shm->domains[slot].dead || d->conns ||
		    d->held)
			continue;
		free(d->free_grefs);
		memset(d, 0, sizeof(*d));
	}
}

static int slot_take(struct hyper_machine *m, uint16_t domid)
{
	uint32_t slot;

	domains_reap(m);
	for (slot = 0; slot < LOCAL_SLOTS; slot++)
		if (!m->domains[slot].taken)
			break;
	if (slot == LOCAL_SLOTS)
		return -ENOSPC;
	m->domains[slot].taken = true;
	m->domains[slot].domid = domid;
	m->shm->domains[slot].domid = domid;
	shm_store(&m->shm->domains[slot].dead, 0);
	shm_store(&m->shm->slot_of[domid], (uint16_t)(slot + 1));
	return (int)slot;
}

/* /local/domain/N as a toolstack makes it, owned by N. */
static int make_home(struct hyper_machine *m, uint16_t domid)
{
	const struct tree_perm perms[2] = {{.domid = domid},
					   {.domid = 0, .access = TREE_READ}};
	struct lxs_client toolstack;
	char path[64], value[16];
	int rc;

	lxs_client_init(&toolstack, &m->store, 0, -1);
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	snprintf(value, sizeof(value), "%u", domid);
	rc = lxs_make(&toolstack, 0, path);
	if (!rc)
		rc = lxs_perms(&toolstack, 0, path, perms);
	strcat(path, "/domid");
	if (!rc)
		rc = lxs_set(&toolstack, 0, path, value);
	lxs_client_exit(&toolstack);
	return rc;
}

static void remove_home(struct hyper_machine *m, uint16_t domid)
{
	struct lxs_client toolstack;
	char path[64];

	lxs_client_init(&toolstack, &m->store, 0, -1);
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	lxs_rm(&toolstack, 0, path);
	lxs_client_exit(&toolstack);
}

static int create(struct hyper_machine *m, uint16_t domid)
{
	int slot;

	if (domid >= LOCAL_DOMIDS)
		return -EINVAL;
	if (shm_slot(m->shm, domid) >= 0)
		return -EEXIST;
	slot = slot_take(m, domid);
	if (slot < 0)
		return slot;
	if (make_home(m, domid))
		return -ENOMEM;
	lxs_fire_special(&m->store, "@introduceDomain");
	return 0;
}

int hyper_local_domain_create(struct hyper_machine *m, uint16_t domid)
{
	int rc;

	pthread_mutex_lock(&m->lock);
	rc = create(m, domid);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

static int destroy(struct hyper_machine *m, uint16_t domid)
{
	int slot = shm_slot(m->shm, domid);
	unsigned int i;

	if (!domid)
		return -EINVAL;
	if (slot < 0)
		return -ESRCH;
	/* From here on new uses of its grants fail, and it can do nothing. */
	shm_store(&m->shm->slot_of[domid], 0);
	shm_store(&m->shm->domains[slot].dead, 1);
	ports_close(m, (uint32_t)slot, 0);
	for (i = 0; i < LOCAL_HANDLES; i++)
		if (m->conns[i] && m->conns[i]->ready &&
		    m->conns[i]->slot == (uint32_t)slot)
			lxs_client_exit(&m->conns[i]->store);
	remove_home(m, domid);
	lxs_fire_special(&m->store, "@releaseDomain");
	domains_reap(m);
	return 0;
}

int hyper_local_domain_destroy(struct hyper_machine *m, uint16_t domid)
{
	int rc;

	pthread_mutex_lock(&m->lock);
	rc = destroy(m, domid);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

/* ---- the store goes and comes ---- */

void hyper_local_store_stop(struct hyper_machine *m)
{
	pthread_mutex_lock(&m->lock);
	m->store_away = true;
	for (unsigned int i = 0; i < LOCAL_HANDLES; i++)
		if (m->conns[i] && m->conns[i]->parts & HYPER_STORE)
			conn_break(m, m->conns[i]);
	pthread_mutex_unlock(&m->lock);
}

int hyper_local_store_start(struct hyper_machine *m, bool empty)
{
	struct lxs_client toolstack;
	int rc = 0;

	pthread_mutex_lock(&m->lock);
	if (empty) {
		lxs_client_init(&toolstack, &m->store, 0, -1);
		lxs_rm(&toolstack, 0, "/local");
		lxs_client_exit(&toolstack);
		rc = make_home(m, 0);
	}
	m->store_away = false;
	pthread_mutex_unlock(&m->lock);
	return rc;
}

/* ---- the machine ---- */

static int memory_init(struct hyper_machine *m)
{
	m->memfd = memfd_create("xpv-machine", MFD_CLOEXEC);
	if (m->memfd < 0 || ftruncate(m->memfd, sizeof(struct shm)))
		return -errno;
	m->shm = mmap(NULL, sizeof(struct shm), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_NORESERVE, m->memfd, 0);
	if (m->shm == MAP_FAILED) {
		m->shm = NULL;
		return -errno;
	}
	madvise(m->shm, sizeof(struct shm), MADV_DONTDUMP);
	m->shm->magic = LOCAL_MAGIC;
	return pages_init(m);
}

static int path_init(struct hyper_machine *m, const char *path)
{
	const char *tmp = getenv("TMPDIR");
	int n;

	if (!path) {
		n = snprintf(m->dir, sizeof(m->dir), "%s/xpv-XXXXXX",
			     tmp && *tmp ? tmp : "/tmp");
		if (n < 0 || (size_t)n >= sizeof(m->dir) || !mkdtemp(m->dir)) {
			m->dir[0] = '\0';
			return -errno;
		}
		n = snprintf(m->path, sizeof(m->path), "%s/hyper", m->dir);
	} else {
		n = snprintf(m->path, sizeof(m->path), "%s", path);
	}
	return n < 0 || (size_t)n >= sizeof(m->path) ? -ENAMETOOLONG : 0;
}

static void machine_free(struct hyper_machine *m)
{
	bool ours = m->pid == getpid();

	if (ours && m->path[0])
		unlink(m->path);
	if (ours && m->dir[0])
		rmdir(m->dir);
	if (m->store.root)
		lxs_store_exit(&m->store);
	pages_exit(m);
	if (m->shm)
		munmap(m->shm, sizeof(struct shm));
	if (m->memfd >= 0)
		close(m->memfd);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

struct hyper_machine *hyper_local_create(const char *path)
{
	struct hyper_machine *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return NULL;
	pthread_mutex_init(&m->lock, NULL);
	m->pid = getpid();
	m->memfd = m->listener = m->poll = m->stop = -1;
	LIST_INIT(&m->deferred);
	rc = memory_init(m);
	if (!rc)
		rc = lxs_store_init(&m->store);
	if (!rc)
		rc = create(m, 0);
	if (!rc)
		rc = path_init(m, path);
	if (!rc)
		rc = broker_start(m);
	if (!rc)
		return m;
	machine_free(m);
	errno = -rc;
	return NULL;
}

void hyper_local_destroy(struct hyper_machine *m)
{
	if (!m)
		return;
	broker_stop(m);
	machine_free(m);
}

const char *hyper_local_spec(struct hyper_machine *m, uint16_t domid, char *buf,
			     size_t len)
{
	snprintf(buf, len, "local:%s:%u", m->path, domid);
	return buf;
}
