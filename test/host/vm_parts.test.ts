/** The parts of a virtual machine that need no emulator: archive, image, console, verdicts. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { factsOf, isAtLeast, unseenOf } from '../../src/host/facts.ts';
import { Console } from '../../src/host/vm/console.ts';
import { cpioArchive, S_IFCHR, S_IFDIR, S_IFREG } from '../../src/host/vm/cpio.ts';
import { initramfs } from '../../src/host/vm/initramfs.ts';
import { readKernelImage } from '../../src/host/vm/kernel_image.ts';
import { qemuArguments } from '../../src/host/vm/qemu.ts';
import { type Ending, verdictOf } from '../../src/host/vm/verdict.ts';

const folder = mkdtempSync(join(tmpdir(), 'faultline-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Entry {
  readonly mode: number;
  readonly content: string;
  readonly device: string;
}

/** A reader of its own, written from the form's description. */
function unpack(archive: Buffer): Map<string, Entry> {
  const found = new Map<string, Entry>();
  for (let at = 0; ; ) {
    const field = (i: number) =>
      Number.parseInt(archive.toString('latin1', at + 6 + 8 * i, at + 14 + 8 * i), 16);
    expect(archive.toString('latin1', at, at + 6)).toBe('070701');
    const [mode, size, nameSize] = [field(1), field(6), field(11)];
    const name = archive.toString('utf8', at + 110, at + 110 + nameSize - 1);
    const start = (at + 110 + nameSize + 3) & ~3;
    if (name === 'TRAILER!!!') {
      expect(archive.length).toBe(start);
      return found;
    }
    const content = archive.toString('latin1', start, start + size);
    found.set(name, { mode, content, device: `${field(9)}:${field(10)}` });
    at = (start + size + 3) & ~3;
  }
}

describe('cpio', () => {
  it('has entries that another reader finds', () => {
    const archive = cpioArchive([
      { name: 'dev', mode: S_IFDIR | 0o755 },
      { name: 'dev/console', mode: S_IFCHR | 0o600, major: 5, minor: 1 },
      { name: 'a', mode: S_IFREG | 0o644, content: Buffer.from('12345') },
      { name: 'ab', mode: S_IFREG | 0o644, content: Buffer.from('1234') },
      { name: 'abc', mode: S_IFREG | 0o644 },
    ]);
    expect([...unpack(archive)]).toEqual([
      ['dev', { mode: 0o40755, content: '', device: '0:0' }],
      ['dev/console', { mode: 0o20600, content: '', device: '5:1' }],
      ['a', { mode: 0o100644, content: '12345', device: '0:0' }],
      ['ab', { mode: 0o100644, content: '1234', device: '0:0' }],
      ['abc', { mode: 0o100644, content: '', device: '0:0' }],
    ]);
  });

  it('is the first file system: the executor, modules in order, settings', async () => {
    const modules = ['virtio.ko', 'virtio_pci.ko.xz'].map((name) => ({
      name,
      content: Buffer.from(name),
    }));
    const packed = await initramfs({ executor: Buffer.from('ELF'), modules });
    const found = unpack(gunzipSync(packed));
    expect([...found.keys()]).toEqual([
      ...['dev', 'dev/console', 'init', 'settings', 'modules'],
      ...['modules/00-virtio.ko', 'modules/01-virtio_pci.ko.xz'],
    ]);
    expect(found.get('init')).toEqual({ mode: 0o100755, content: 'ELF', device: '0:0' });
    expect(found.get('settings')?.content).toMatch(/transparent_hugepage\/enabled madvise\n/);
  });
});

/** A file that begins as a bzImage does. */
function image(change: (head: Buffer) => void = () => {}): string {
  const head = Buffer.alloc(0x1000);
  head.writeUInt16LE(0xaa55, 0x1fe);
  head.write('HdrS', 0x202);
  head.writeUInt16LE(0x20f, 0x206);
  head.writeUInt16LE(0x400, 0x20e);
  head[0x211] = 1;
  head.writeUInt16LE(1, 0x236);
  head.write('6.11.0-rc1-mine (me@here) #7 SMP\0', 0x600);
  change(head);
  const path = join(folder, 'image');
  writeFileSync(path, head);
  return path;
}

describe('a kernel image', () => {
  it('tells its release before it is booted', async () => {
    const path = image();
    expect(await readKernelImage(path)).toEqual({
      path,
      release: '6.11.0-rc1-mine',
      version: '6.11.0-rc1-mine (me@here) #7 SMP',
    });
  });

  it.each([
    ['a file of text', 'hello', /^the file is no kernel image$/],
    ['nothing', '', /^the file is no kernel image$/],
    ['vmlinux', '\x7fELF\x02', /^the file is an ELF file \(vmlinux\?\), no kernel image$/],
    ['a package', '!<arch>\ndebian-binary', /^the file is an ar archive/],
    ['an initramfs', '\x1f\x8b\x08', /^the file is a gzip file/],
  ])('is not %s', async (_, bytes, reason) => {
    const path = join(folder, 'other');
    writeFileSync(path, Buffer.from(bytes, 'latin1'));
    expect(await readKernelImage(path)).toMatchObject({ reason: expect.stringMatching(reason) });
  });

  it('must be 64-bit, and of this century', async () => {
    const small = image((head) => head.writeUInt16LE(0, 0x236));
    expect(await readKernelImage(small)).toMatchObject({
      reason: expect.stringMatching(/32-bit/),
    });
    const old = image((head) => head.writeUInt16LE(0x204, 0x206));
    expect(await readKernelImage(old)).toMatchObject({
      reason: expect.stringMatching(/before Linux 3.8/),
    });
  });

  it('must be there', async () => {
    expect(await readKernelImage(join(folder, 'none'))).toEqual({
      reason: 'there is no such file',
    });
    expect(await readKernelImage(folder)).toEqual({ reason: 'the file is a directory' });
  });
});

function printed(...lines: string[]): Console {
  const log = new Console();
  log.push(Buffer.from(lines.map((line) => `${line}\r\n`).join('')));
  return log;
}

const ENDED: Ending = { seconds: 7.2, emulator: '', isUp: false };

describe('a verdict', () => {
  it.each([
    [
      'no initramfs',
      ['[ 1.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)'],
      ENDED,
      { kind: 'lacks', reason: 'it has no initramfs', hint: /CONFIG_BLK_DEV_INITRD/ },
    ],
    [
      'a panic',
      ['[ 1.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100'],
      ENDED,
      { kind: 'kernel', reason: /^it panicked: Attempted to kill init!/ },
    ],
    [
      'no ports',
      ['faultline-init: cannot go on: no virtio ports (CONFIG_VIRTIO_PCI) and no ttyS1'],
      ENDED,
      { kind: 'lacks', reason: /^in it, no virtio ports .*CONFIG_VIRTIO_PCI/ },
    ],
    [
      'an option that the executor needs',
      ['faultline-executor: namespaces: Invalid argument (CONFIG_NAMESPACES, CONFIG_PID_NS)'],
      ENDED,
      { kind: 'lacks', reason: /^in it, namespaces: .*CONFIG_PID_NS/ },
    ],
    [
      'silence from the start',
      [],
      { ...ENDED, seconds: 90, limit: 'silence' as const },
      { kind: 'kernel', reason: /^it printed nothing on ttyS0/, hint: /SERIAL_8250_CONSOLE/ },
    ],
    [
      'a hang',
      ['[ 1.0] clocksource: jiffies'],
      { ...ENDED, seconds: 91, limit: 'silence' as const },
      { kind: 'kernel', reason: /^it hangs: .*91 s/ },
    ],
    [
      'an emulator that refuses',
      [],
      { ...ENDED, emulator: 'qemu-system-x86_64: -m 1024M: cannot set up guest memory\n' },
      { kind: 'emulator', reason: /^QEMU says: .*cannot set up guest memory$/ },
    ],
    [
      'a panic while programs ran',
      ['[ 9.0] BUG: kernel NULL pointer', '[ 9.1] Kernel panic - not syncing: Fatal exception'],
      { ...ENDED, isUp: true },
      { kind: 'kernel', reason: 'it panicked: Fatal exception' },
    ],
  ])('of %s', (_, lines, ending, due) => {
    const verdict = verdictOf(printed(...lines), ending);
    expect(verdict.kind).toBe(due.kind);
    expect(verdict.reason).toMatch(due.reason);
    if ('hint' in due) expect(verdict.hint).toMatch(due.hint);
    expect(verdict.console).toEqual(lines);
  });
});

describe('a console', () => {
  it('is read without escapes of the firmware, whatever the pieces', () => {
    const log = new Console();
    for (const piece of ['\x1bc\x1b[?7lSea', 'BIOS\r\n[ 0.1] Li', 'nux\r\n[ 0.2] half']) {
      log.push(Buffer.from(piece));
    }
    expect(log.all()).toEqual(['SeaBIOS', '[ 0.1] Linux', '[ 0.2] half']);
  });

  it('tells each complaint of the kernel once', () => {
    const log = printed('[ 1.0] BUG: Bad rss-counter state mm:00 type:MM_SHMEMPAGES val:3', 'fine');
    log.push(Buffer.from('[    2.000000] [   T61] WARNING: CPU: 0 PID: 61 at mm/rmap.c:1\n'));
    expect(log.complaints()).toEqual([
      'BUG: Bad rss-counter state mm:00 type:MM_SHMEMPAGES val:3',
      'WARNING: CPU: 0 PID: 61 at mm/rmap.c:1',
    ]);
    expect(log.complaints()).toEqual([]);
  });
});

describe('what the executor tells', () => {
  const older = factsOf(
    'release 6.1.0-x\nhas_pagemap_scan 0\nimage 557ffff70000 558000000000\n',
    undefined,
  );

  it('names what cannot be seen there', () => {
    expect(unseenOf(older).map((one) => one.what)).toEqual([
      'whether a page is mapped by a PMD',
      'RSS by kind, of status',
    ]);
    const now = factsOf('release 6.18.44\nhas_pagemap_scan 1\n', undefined);
    expect(unseenOf(now)).toEqual([]);
  });

  it('orders releases by number', () => {
    expect(isAtLeast('6.18.44-x', 6, 17)).toBe(true);
    expect(isAtLeast('6.9.0', 6, 17)).toBe(false);
    expect(isAtLeast('7.0-rc1', 6, 17)).toBe(true);
  });
});

it('the emulator gets a port and a CPU for each job', () => {
  const files = { initramfs: '/i', disk: undefined, ports: ['/p0', '/p1'], serial: '/s' };
  const args = qemuArguments({ path: '/k', release: '6', version: '6' }, files).join(' ');
  expect(args).toMatch(/-smp 2 /);
  expect(args).toMatch(/path=\/p1 -device virtserialport,chardev=port1,name=faultline\.1/);
  expect(args).toMatch(/-- vm 2$/);
  expect(args).not.toMatch(/-drive/);
});
