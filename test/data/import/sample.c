/* What the samples of this folder are logs of: cc -O1 -static -pthread sample.c -o sample */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

static void *thread(void *memory) {
	memset(memory, 1, 3 * PAGE);
	return NULL;
}

int main(void) {
	char *private = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *shared = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = memfd_create("sample", 0);
	ftruncate(fd, 4 * PAGE);
	char *file = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	file[PAGE] = 1;
	int id = shmget(IPC_PRIVATE, 2 * PAGE, IPC_CREAT | 0600);
	char *segment = shmat(id, NULL, 0);
	shmctl(id, IPC_RMID, NULL);
	segment[0] = 1;
	pthread_t other;
	pthread_create(&other, NULL, thread, private);
	pthread_join(other, NULL);
	pid_t child = fork();
	if (child == 0) {
		shared[0] = 1;
		private[0] = 2;
		_exit(7);
	}
	waitpid(child, NULL, 0);
	pid_t second = vfork();
	if (second == 0) {
		execl("/bin/true", "true", NULL);
		_exit(127);
	}
	waitpid(second, NULL, 0);
	volatile char seen = shared[PAGE] + private[5 * PAGE];
	(void)seen;
	private = mremap(private, 16 * PAGE, 32 * PAGE, MREMAP_MAYMOVE);
	private[20 * PAGE] = 1;
	madvise(private, 2 * PAGE, MADV_DONTNEED);
	mprotect(private, PAGE, PROT_READ);
	mlock(private + 8 * PAGE, 2 * PAGE);
	munlock(private + 8 * PAGE, 2 * PAGE);
	munmap((char *)1, PAGE);
	shmdt(segment);
	munmap(private, 32 * PAGE);
	return 0;
}
