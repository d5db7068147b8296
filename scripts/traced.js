// Runs a command under strace and reads /proc/PID/maps of each of its processes twice: when execve
// has made its image, and when it is about to exit. strace holds a process there long enough.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** How long strace holds a process at execve's end and at exit_group's start. */
const HOLD_US = 250000;
const POLL_MS = 15;
const SYS_EXECVE = '59';
const SYS_EXIT_GROUP = '231';

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Threads and processes below `pid`. */
function descendants(pid) {
  const found = [];
  for (const child of read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean)) {
    found.push(child, ...descendants(child));
  }
  return found;
}

/** Threads of a process other than its first may be the parent, or the one that exits. */
function threadsOf(pid) {
  const found = [];
  for (const line of read(`/proc/${pid}/status`).split('\n')) {
    if (line.startsWith('Threads:') && Number(line.slice(8)) > 1) {
      for (let tid = Number(pid) + 1; tid < Number(pid) + 64; tid++) {
        if (read(`/proc/${pid}/task/${tid}/comm`) !== '') found.push(String(tid));
      }
    }
  }
  return found;
}

const parse = (maps) =>
  maps
    .split('\n')
    .map((line) => /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) \S+ \d+ *(.*)$/.exec(line))
    .filter((found) => found !== null)
    .map(([, start, end, perms, offset, name]) => ({
      start: Number.parseInt(start, 16),
      end: Number.parseInt(end, 16),
      perms,
      offset: Number.parseInt(offset, 16),
      name,
    }));

/**
 * Runs `command` (a list of words) in `cwd`; the log goes to `log`. The first execve is strace's own
 * and not held: let it be one of `env`. What is returned: for each
 * process that ended by exit_group, in that order, who it was, whose child, its mappings at the end,
 * and those of its last execve (its own or an ancestor's).
 */
export async function traced(command, { cwd, log, limitMs }) {
  const args = ['-f', '-y', '-s', '64', '-o', log];
  args.push('-e', `inject=execve:delay_exit=${HOLD_US}`);
  args.push('-e', `inject=exit_group:delay_enter=${HOLD_US}`);
  const child = spawn('strace', [...args, '--', ...command], { cwd, stdio: 'ignore' });
  const images = new Map();
  const parents = new Map();
  const ends = new Map();
  const imageOf = (pid) => images.get(pid) ?? (parents.has(pid) ? imageOf(parents.get(pid)) : []);
  const look = (pid, tid) => {
    const [nr] = read(`/proc/${pid}/task/${tid}/syscall`).split(' ');
    if (nr !== SYS_EXECVE && nr !== SYS_EXIT_GROUP) return;
    const maps = parse(read(`/proc/${pid}/maps`));
    if (maps.length === 0) return;
    if (nr === SYS_EXECVE) images.set(pid, maps);
    else if (!ends.has(pid)) ends.set(pid, { pid, tid, maps });
  };
  const poll = setInterval(() => {
    for (const pid of descendants(child.pid)) {
      if (!parents.has(pid)) {
        const parent = /^PPid:\s*(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1];
        if (parent !== undefined) parents.set(pid, parent);
        // As its parent is now: that one may execute something else later.
        if (!images.has(pid) && parent !== undefined) images.set(pid, imageOf(parent));
      }
      for (const tid of [pid, ...threadsOf(pid)]) look(pid, tid);
    }
  }, POLL_MS);
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
  const status = await new Promise((resolve) => {
    child.on('error', () => resolve(undefined));
    child.on('close', resolve);
  });
  clearInterval(poll);
  clearTimeout(timer);
  return { status, ends: [...ends.values()].map((end) => ({ ...end, image: imageOf(end.pid) })) };
}
