/** Bad input and usage: exit 2, a diagnostic that says where and what, never a stack trace. */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { faultline, fileIn, GOOD, type Ran, ROOT, withFolder } from './faultline.ts';

const LOG = readFileSync(join(ROOT, 'scenarios/logs/python.log'));

function expectRefused(ran: Ran, message: RegExp): void {
  expect(ran.stderr).toMatch(message);
  expect(ran.stderr).not.toMatch(/\n\s+at /);
  expect(ran.stdout).toBe('');
  expect(ran.code).toBe(2);
}

function runText(text: string | Buffer): Ran {
  return withFolder((folder) => faultline(['run', fileIn(folder, 'x.fl', text)]));
}

describe('a file', () => {
  it('with an unknown call', () => {
    expectRefused(runText('mmapp(NULL, 4K)\n'), /x\.fl:1:1: error: .*did you mean 'mmap'/);
  });

  it('with a wrong constant', () => {
    const text = 'a = mmap(NULL, 4K, PROT_REED, MAP_PRIVATE, -1, 0)\n';
    expectRefused(runText(text), /x\.fl:1:20: error: .*PROT_REED.*did you mean 'PROT_READ'/);
  });

  it('with a task that nobody created', () => {
    const text = 'parent: c = fork()\nchld: getpid()\n';
    expectRefused(runText(text), /x\.fl:2:1: error: /);
  });

  it('that is empty', () => {
    expectRefused(runText(''), /x\.fl: error: .*empty/);
  });

  it('that is binary', () => {
    const bytes = Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 37) % 256));
    expectRefused(runText(bytes), /x\.fl:1:\d+: error: .*binary/);
    expectRefused(faultline(['run', process.execPath]), /error: .*binary/);
  });

  it('that is prose', () => {
    expectRefused(runText('Dear all,\nplease find attached.\n'), /x\.fl:1.*: error: /);
  });

  it('that is UTF-16', () => {
    expectRefused(runText(Buffer.from(`\ufeff${GOOD}`, 'utf16le')), /x\.fl:1:\d+: error: /);
  });

  it('that does not exist, is a directory or has an impossible name', () => {
    expectRefused(faultline(['run', '/nonexistent/x.fl']), /x\.fl: error: there is no such file/);
    expectRefused(faultline(['run', '.']), /^\.: error: this is a directory/);
    expectRefused(faultline(['run', 'x'.repeat(5000)]), /error: the name is too long/);
    expectRefused(faultline(['run', `${ROOT}package.json/x`]), /error: a part of the path/);
  });

  it('that never ends or is too large', () => {
    expectRefused(faultline(['run', '/dev/zero']), /^\/dev\/zero: error: this file is too large/);
    withFolder((folder) => {
      const path = join(folder, 'huge.log');
      const fd = openSync(path, 'w');
      ftruncateSync(fd, 2 ** 33);
      closeSync(fd);
      expectRefused(faultline(['run', path]), /huge\.log: error: this file is too large: 8192 MB/);
    });
  }, 120_000);

  it('of 200 MB', () => {
    withFolder((folder) => {
      const prose = join(folder, 'prose.txt');
      const fd = openSync(prose, 'w');
      const block = Buffer.from('lorem ipsum dolor sit amet\n'.repeat(40_000));
      for (let size = 0; size < 200 << 20; size += block.length) writeSync(fd, block);
      closeSync(fd);
      expectRefused(faultline(['run', prose]), /prose\.txt:1: error: this is neither/);
    });
  }, 120_000);
});

describe('a torn log', () => {
  it('that is cut in the middle of a line gives a marked partial answer', () => {
    withFolder((folder) => {
      const path = fileIn(folder, 'cut.log', LOG.subarray(0, 5003));
      const ran = faultline(['run', path]);
      expect(ran.stderr).toMatch(/cut\.log:\d+:\d+: warning: /);
      expect(ran.stdout).toMatch(/partial/);
      expect(ran.code).toBe(0);
      const { partial } = JSON.parse(faultline(['run', '--json', path]).stdout);
      expect(partial).toBe(true);
    });
  });

  it('with bytes of something else inside gives a marked partial answer', () => {
    withFolder((folder) => {
      const noise = Buffer.from([10, 0x80, 0xff, 0x28, 0x28, 10]);
      const lines = LOG.subarray(0, LOG.indexOf('\n', 3000));
      const path = fileIn(folder, 'torn.log', Buffer.concat([lines, noise]));
      const ran = faultline(['run', path]);
      expect(ran.stderr).toMatch(/torn\.log:\d+:\d+: warning: /);
      expect(ran.stdout).toMatch(/partial/);
      expect(ran.code).toBe(0);
    });
  });
});

describe('several files', () => {
  it('bad ones are reported, the others run, and the worst decides', () => {
    withFolder((folder) => {
      const good = fileIn(folder, 'good.fl', GOOD);
      const bad = fileIn(folder, 'bad.fl', 'nonsense\n');
      const ran = faultline(['run', bad, good, '/nonexistent.fl']);
      expect(ran.code).toBe(2);
      expect(ran.stderr).toMatch(/bad\.fl:1:1: error/);
      expect(ran.stderr).toMatch(/nonexistent\.fl: error/);
      expect(ran.stdout).toMatch(/good\.fl on /);
    });
  });
});

describe('the command line', () => {
  const bad: [string, string[], RegExp][] = [
    ['no verb', [], /Usage: faultline/],
    ['an unknown verb', ['runn', 'x'], /unknown command 'runn'[\s\S]*Did you mean run/],
    ['no file', ['run'], /missing required argument 'file'/],
    ['an unknown option', ['run', '--jsn', 'x'], /unknown option '--jsn'[\s\S]*--json/],
    [
      'an unknown kernel',
      ['run', '-k', 'shmem-mtph-v1', 'x'],
      /no kernel 'shmem-mtph-v1'.*did you mean 'shmem-mthp-v1'/,
    ],
    ['a kernel of a compare', ['compare', 'x', '-k', '6.18,nix'], /no kernel 'nix'/],
    ['a kernel named twice', ['compare', 'x', '-k', '6.18,6.18'], /named twice/],
    ['a narrow width', ['run', '--width', '20', 'x'], /from 80 to 1000/],
    ['a width that is no number', ['run', '--width', 'wide', 'x'], /from 80 to 1000/],
    ['a setting without a value', ['run', '--set', 'enabled', 'x'], /PATH=VALUE/],
    ['a memory of nothing', ['run', '--memory', '0', 'x'], /from 16M/],
    ['why without a page', ['why', 'x'], /required option '--at/],
    ['why with half a page', ['why', 'x', '--at', 'child:'], /TASK:ADDR/],
    ['two files for compare', ['compare', 'x', 'y'], /too many arguments/],
    ['a verb that does not exist', ['repair', 'x'], /unknown command 'repair'/],
  ];

  it.each(bad)('%s', (_, args, message) => {
    expectRefused(faultline(args), message);
  });

  it('a setting that the kernel refuses', () => {
    withFolder((folder) => {
      const path = fileIn(folder, 'x.fl', GOOD);
      const ran = faultline(['run', '--set', 'hugepages-63kB/enabled=always', path]);
      expect(ran.code).toBe(2);
      expect(ran.stderr).toMatch(/--set: echo always > .*63kB.*ENOENT/);
      const other = faultline(['run', '--set', 'hugepages-64kB/enabled=often', path]);
      expect(other.code).toBe(2);
      expect(other.stderr).toMatch(/EINVAL/);
    });
  });

  it('a page of a task that does not exist', () => {
    withFolder((folder) => {
      const path = fileIn(folder, 'x.fl', GOOD);
      expectRefused(faultline(['why', path, '--at', 'nobody:a']), /x\.fl.*: error: .*nobody/);
      expectRefused(faultline(['why', path, '--at', 'nix+4K']), /x\.fl.*: error: .*nix/);
    });
  });
});
