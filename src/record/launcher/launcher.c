/*
 * launcher REPORT OPTIONS COMMAND [ARGUMENT...]
 *
 * Runs a command with transparent huge pages switched off for it and its descendants alone, waits
 * for it, and writes to REPORT, a line at a time:
 *
 *     pid N                                      this process, which is no part of the recording
 *     preload 1                                  it preloads a library of ours
 *     child N                                    the command
 *     errno N                                    why the command cannot be executed
 *     exit CODE SIGNAL MINFLT MAJFLT MAXRSS_KB USECONDS
 *                                                of the command and all that it waited for
 *
 * OPTIONS are letters: d = huge pages off, o = the command's stdout is descriptor 3, - = nothing;
 * behind a colon stands a library that the command and its descendants preload.
 * The exit code is the command's, or 128 + n for signal n.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What a command that a terminal has interrupted gets to end by itself. */
#define GRACE_SECONDS 5

static volatile pid_t child;
static volatile sig_atomic_t interrupted;

static void pass_on(int signal) {
	if (child > 0) kill(child, signal);
}

static void interrupt(int signal) {
	(void)signal;
	interrupted = 1;
}

/* perf ends its command with SIGTERM. */
static void terminate(int signal) {
	if (interrupted) alarm(GRACE_SECONDS);
	else pass_on(signal);
}

static void give_up(int signal) {
	(void)signal;
	pass_on(SIGTERM);
}

static void on(int signal, void (*handler)(int)) {
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	sigaction(signal, &action, NULL);
}

static long long now(void) {
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000LL + time.tv_nsec / 1000;
}

int main(int argc, char **argv) {
	if (argc < 4) return 2;
	int report = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (report < 0) return 2;
	dprintf(report, "pid %d\n", getpid());
	char *library = strchr(argv[2], ':');
	if (library) {
		*library++ = 0;
		dprintf(report, "preload 1\n");
		const char *others = getenv("LD_PRELOAD");
		char *all;
		if (!others || !*others) setenv("LD_PRELOAD", library, 1);
		else if (asprintf(&all, "%s:%s", library, others) > 0) setenv("LD_PRELOAD", all, 1);
	}
	if (strchr(argv[2], 'd') && prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0)
		dprintf(report, "thp %d\n", errno);

	if (strchr(argv[2], 'o')) {
		dup2(3, 1);
		close(3);
	}

	/* The terminal's signals reach the command by themselves; the others are passed on. */
	on(SIGINT, interrupt);
	signal(SIGQUIT, SIG_IGN);
	on(SIGTERM, terminate);
	on(SIGALRM, give_up);
	on(SIGHUP, pass_on);
	on(SIGUSR1, pass_on);
	on(SIGUSR2, pass_on);

	static volatile int failure;
	long long begin = now();
	/* vfork: the command's process copies no memory of ours, and so takes few faults before exec. */
	pid_t pid = vfork();
	if (pid == 0) {
		signal(SIGINT, SIG_DFL);
		signal(SIGQUIT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		signal(SIGHUP, SIG_DFL);
		signal(SIGUSR1, SIG_DFL);
		signal(SIGUSR2, SIG_DFL);
		execvp(argv[3], argv + 3);
		failure = errno;
		_exit(127);
	}
	if (pid < 0) failure = errno;
	if (failure != 0) {
		dprintf(report, "errno %d\n", failure);
		return failure == ENOENT ? 127 : 126;
	}
	child = pid;
	dprintf(report, "child %d\n", pid);
	int status = 0;
	struct rusage usage;
	while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR) continue;
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	int killer = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	dprintf(report, "exit %d %d %ld %ld %ld %lld\n", code, killer, usage.ru_minflt, usage.ru_majflt,
		usage.ru_maxrss, now() - begin);
	return killer ? 128 + killer : code;
}
