/** Steps about tasks: how they are made and end, who they are, what they may, their switches. */
import type { GenState } from './generate_state.ts';

const TASKS_MAX = 4;

function thread(s: GenState): void {
  if (s.tasks.length >= TASKS_MAX) return;
  const name = s.newTask();
  const flags = 'CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD';
  s.put(`${s.task()}: ${name} = clone(${flags})`);
  s.tasks.push(name);
}

/** Processes that share memory, descriptors, both or neither, and what cannot be asked for. */
function share(s: GenState): void {
  const r = s.random;
  if (s.tasks.length >= TASKS_MAX) return;
  const name = s.newTask();
  const flags = r.pick(['CLONE_VM|', 'CLONE_FILES|', 'CLONE_VM|CLONE_FILES|', 'CLONE_PARENT|', '']);
  const parent = s.task();
  if (r.chance(30)) s.put(`${parent}: ${name} = clone3({flags=${flags}0, exit_signal=SIGCHLD})`);
  else s.put(`${parent}: ${name} = clone(${flags}SIGCHLD)`);
  s.tasks.push(name);
}

/** The parent waits until its child exits, so the child's steps follow at once. */
function vfork(s: GenState): void {
  const name = s.newTask();
  s.put(`t0: ${name} = vfork()`);
  for (let i = s.random.below(3); i > 0; i--) {
    const { at, pages } = s.range();
    const verb = s.random.pick(['read', 'write']);
    s.put(`${name}: ${verb} ${at} ${s.bytes(Math.min(pages, 100))}`);
  }
  s.put(`${name}: exit(0)`);
}

function forkAndReap(s: GenState): void {
  const r = s.random;
  const name = s.newTask();
  const parent = s.task();
  s.put(`${parent}: ${name} = fork()`);
  const { at } = s.range();
  s.put(`${name}: ${r.pick(['read', 'write'])} ${at}`);
  if (r.chance(25)) s.put(`${parent}: kill(${name}, ${r.pick(['SIGKILL', '0', 'SIGCONT', '65'])})`);
  s.put(`${name}: exit(0)`);
  const wait = [
    `wait4(${name}, NULL, 0, NULL)`,
    `wait4(${name}, NULL, 0, NULL)`,
    `wait4(-1, NULL, WNOHANG, NULL)`,
    `waitid(P_PID, ${name}, NULL, WEXITED|WNOWAIT, NULL)`,
  ];
  if (r.chance(60)) s.put(`${parent}: ${r.pick(wait)}`);
}

/** Waiting that finds nobody, or nobody yet, and kills that do not reach anyone. */
function wait(s: GenState): void {
  const task = s.task();
  s.put(
    s.random.pick([
      `${task}: wait4(-1, NULL, WNOHANG, NULL)`,
      `${task}: wait4(9999, NULL, 0, NULL)`,
      `${task}: wait4(-1, NULL, 0x100, NULL)`,
      `${task}: waitid(P_ALL, 0, NULL, WEXITED|WNOHANG, NULL)`,
      `${task}: waitid(P_ALL, 0, NULL, WNOHANG, NULL)`,
      `${task}: kill(9999, SIGKILL)`,
      `${task}: tgkill(9999, 9999, 0)`,
      `${task}: clone(CLONE_THREAD|SIGCHLD)`,
      `${task}: clone(CLONE_SIGHAND|SIGCHLD)`,
      `${task}: pidfd_open(0, 0)`,
      `${task}: pidfd_open(9999, 0)`,
      `${task}: setuid(-1)`,
    ]),
  );
}

/** Capabilities that memory management asks for, by their bits. */
const CAPS = ['0', '1<<CAP_IPC_LOCK', '1<<CAP_SYS_RESOURCE', '1<<CAP_SETUID', '1<<CAP_SYS_ADMIN'];

function identity(s: GenState): void {
  const r = s.random;
  const task = s.task();
  const some = r.pick(CAPS);
  const caps = `{effective=${r.chance(50) ? some : '0'}, permitted=${some}, inheritable=0}`;
  const calls = [
    'setresuid(-1, 1000, -1)',
    'setresuid(-1, 1000, -1)',
    'setresuid(1000, 1000, 1000)',
    'setresuid(-1, 0, -1)',
    'setuid(1000)',
    'setuid(0)',
    'setreuid(1000, -1)',
    'setreuid(-1, 0)',
    `capset({version=_LINUX_CAPABILITY_VERSION_3, pid=0}, ${caps})`,
  ];
  for (let i = 1 + r.below(2); i > 0; i--) s.put(`${task}: ${r.pick(calls)}`);
}

const LIMITS = ['RLIMIT_AS', 'RLIMIT_DATA', 'RLIMIT_MEMLOCK', 'RLIMIT_MEMLOCK', 'RLIMIT_STACK'];

function limits(s: GenState): void {
  const r = s.random;
  const what = r.chance(75) ? r.pick(LIMITS) : r.pick(['RLIMIT_FSIZE', 'RLIMIT_NOFILE']);
  const value = r.pick(['0', '64K', '1M', '4M', '16M', 'RLIM_INFINITY']);
  // Without address space not even the steps themselves could be taken.
  if (what === 'RLIMIT_AS' && (value === '0' || value === '64K')) return;
  const bytes = what === 'RLIMIT_NOFILE' ? r.pick(['0', '4', '5', '64', '2M']) : value;
  const most = r.chance(80) && what !== 'RLIMIT_NOFILE' ? 'RLIM_INFINITY' : bytes;
  const task = s.task();
  const limit = `{rlim_cur=${bytes}, rlim_max=${most}}`;
  s.put(
    r.pick([
      `${task}: setrlimit(${what}, ${limit})`,
      `${task}: setrlimit(${what}, ${limit})`,
      `${task}: setrlimit(${what}, ${limit})`,
      `${task}: prlimit64(${s.task()}, ${what}, ${limit}, NULL)`,
      `${task}: prlimit64(0, ${what}, NULL, NULL)`,
      `${task}: prlimit64(9999, ${what}, ${limit}, NULL)`,
      `${task}: setrlimit(${what}, {rlim_cur=64K, rlim_max=4K})`,
      `${task}: setrlimit(16, ${limit})`,
      `${task}: getrlimit(16, NULL)`,
    ]),
  );
}

function switches(s: GenState): void {
  const r = s.random;
  const task = s.task();
  const { at, pages } = s.range();
  s.put(
    `${task}: ${r.pick([
      'prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)',
      'prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)',
      'prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0)',
      'prctl(PR_SET_THP_DISABLE, 1, PR_THP_DISABLE_EXCEPT_ADVISED, 0, 0)',
      'prctl(PR_SET_THP_DISABLE, 1, PR_THP_DISABLE_EXCEPT_ADVISED, 0, 0)',
      'prctl(PR_SET_THP_DISABLE, 0, PR_THP_DISABLE_EXCEPT_ADVISED, 0, 0)',
      'prctl(PR_SET_THP_DISABLE, 1, 1, 0, 0)',
      'prctl(PR_SET_THP_DISABLE, 1, 0, 1, 0)',
      'prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0)',
      'prctl(PR_GET_THP_DISABLE, 1, 0, 0, 0)',
      'prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)',
      'prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN|PR_MDWE_NO_INHERIT, 0, 0, 0)',
      'prctl(PR_SET_MDWE, PR_MDWE_NO_INHERIT, 0, 0, 0)',
      'prctl(PR_SET_MDWE, 0, 0, 0, 0)',
      'prctl(PR_SET_MDWE, 0, 1, 0, 0)',
      'prctl(PR_SET_MDWE, 4, 0, 0, 0)',
      'prctl(PR_GET_MDWE, 0, 0, 0, 0)',
      'prctl(PR_GET_MDWE, 1, 0, 0, 0)',
      'prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0)',
      'prctl(PR_SET_MEMORY_MERGE, 0, 0, 0, 0)',
      'prctl(PR_SET_MEMORY_MERGE, 1, 1, 0, 0)',
      'prctl(PR_GET_MEMORY_MERGE, 0, 0, 0, 0)',
      'prctl(PR_GET_MEMORY_MERGE, 1, 0, 0, 0)',
      `prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, ${at}, ${s.bytes(pages)}, "name")`,
      'personality(ADDR_NO_RANDOMIZE|READ_IMPLIES_EXEC)',
      'getuid()',
      'geteuid()',
    ])}`,
  );
}

export const TASK_FAMILIES = {
  thread,
  share,
  vfork,
  forkAndReap,
  wait,
  identity,
  limits,
  switches,
} as const;
