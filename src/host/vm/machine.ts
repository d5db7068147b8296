/**
 * A virtual machine as a transport: a kernel image under QEMU, with the executor as its first
 * process. It comes up once and then executes programs until it is closed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Channel, Transport } from '../transport.ts';
import { Console } from './console.ts';
import { makeDisk } from './disk.ts';
import { initramfs } from './initramfs.ts';
import type { KernelImage } from './kernel_image.ts';
import { findModules } from './modules.ts';
import { INSTALL_HINT, type MachineFiles, QEMU, qemuArguments } from './qemu.ts';
import { type Ending, type Verdict, verdictOf } from './verdict.ts';

/** VM_HELLO of executor/inspector.h. */
const HELLO = Buffer.from('faultline executor\n');

export interface BootOptions {
  readonly jobs: number;
  /** Path of the executor. */
  readonly executor: string;
  /** Limit for the whole start, and for a time in which nothing is printed. */
  readonly bootLimitMs?: number;
  readonly silenceLimitMs?: number;
}

/** Generous: emulation on a busy machine; an idle one comes up in some seconds. */
const BOOT_LIMIT_MS = 300000;
const SILENCE_LIMIT_MS = 90000;
const LOOK_EVERY_MS = 250;

/** Resolves with the socket once the hello has come through; what follows it stays in the socket. */
function helloOn(server: Server): Promise<Socket> {
  return new Promise((resolve) => {
    server.on('connection', (socket) => {
      let seen: Buffer = Buffer.alloc(0);
      const onData = (chunk: Buffer): void => {
        seen = Buffer.concat([seen, chunk]);
        const at = seen.indexOf(HELLO);
        if (at < 0) return;
        socket.off('data', onData);
        socket.pause();
        const rest = seen.subarray(at + HELLO.length);
        if (rest.length > 0) socket.unshift(rest);
        resolve(socket);
      };
      socket.on('data', onData);
      // An emulator that is killed resets its sockets; that it ended is known from its process.
      socket.on('error', () => {});
    });
  });
}

async function listen(path: string): Promise<Server> {
  const server = createServer({ allowHalfOpen: false });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return server;
}

export class VirtualMachine implements Transport {
  readonly console = new Console();
  readonly exited: Promise<void>;
  readonly #process: ChildProcess;
  readonly #began = performance.now();
  #channels: readonly Channel[] = [];
  #emulator = '';
  #isMissing = false;
  #hasEnded = false;
  #limit: Ending['limit'];

  private constructor(keeper: string, args: readonly string[], clean: () => Promise<void>) {
    // Not to outlive us, however we end: the executor's `keep` mode sees to it.
    this.#process = spawn(keeper, ['keep', QEMU, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#process.stdout?.on('data', (chunk: Buffer) => this.console.push(chunk));
    this.#process.stderr?.on('data', (chunk: Buffer) => {
      this.#emulator = (this.#emulator + chunk.toString()).slice(-4000);
    });
    this.exited = new Promise<void>((resolve) => {
      this.#process.on('error', (error) => {
        this.#emulator += error.message;
        resolve();
      });
      this.#process.on('close', (code) => {
        this.#isMissing = code === 127;
        resolve();
      });
    }).then(async () => {
      this.#hasEnded = true;
      await clean();
    });
  }

  static async boot(
    image: KernelImage,
    options: BootOptions,
  ): Promise<VirtualMachine | { failed: Verdict }> {
    const directory = await mkdtemp(join(tmpdir(), 'faultline-vm-'));
    const disk = join(directory, 'disk.img');
    const modules = await findModules(image);
    const executor = await readFile(options.executor);
    const files: MachineFiles = {
      initramfs: join(directory, 'initrd.gz'),
      disk: (await makeDisk(disk)) ? disk : undefined,
      ports: Array.from({ length: options.jobs }, (_, i) => join(directory, `port-${i}`)),
      serial: join(directory, 'serial'),
    };
    await writeFile(files.initramfs, await initramfs({ executor, modules }));
    const servers = await Promise.all([...files.ports, files.serial].map(listen));
    const hellos = servers.map(helloOn);
    const clean = async (): Promise<void> => {
      for (const server of servers) server.close();
      await rm(directory, { recursive: true, force: true });
    };
    const machine = new VirtualMachine(options.executor, qemuArguments(image, files), clean);
    const up = await machine.#come(hellos, options);
    if (up) return machine;
    machine.kill();
    await machine.exited;
    return { failed: machine.verdict() };
  }

  /** All ports have said hello, or the serial line has; false when that does not happen. */
  async #come(hellos: readonly Promise<Socket>[], options: BootOptions): Promise<boolean> {
    const serial = hellos.at(-1)!.then((socket) => [socket]);
    const ready = Promise.race([Promise.all(hellos.slice(0, -1)), serial]);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setInterval(() => {
        const now = performance.now();
        if (now - this.#began > (options.bootLimitMs ?? BOOT_LIMIT_MS)) this.#limit = 'total';
        if (now - this.console.lastAt > (options.silenceLimitMs ?? SILENCE_LIMIT_MS)) {
          this.#limit = 'silence';
        }
        if (this.#limit !== undefined) resolve(undefined);
      }, LOOK_EVERY_MS);
    });
    const sockets = await Promise.race([ready, late, this.exited.then(() => undefined)]);
    clearInterval(timer);
    if (sockets === undefined) return false;
    this.#channels = sockets.map((socket) => ({ to: socket, from: socket }));
    // What was printed while it came up concerns no program.
    this.console.complaints();
    return true;
  }

  get channels(): readonly Channel[] {
    return this.#channels;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Why it does not answer; '' while nothing is wrong. */
  get errors(): string {
    if (!this.#hasEnded && this.#limit === undefined) return '';
    return this.verdict().reason;
  }

  get lastLines(): readonly string[] {
    return this.errors === '' ? [] : this.verdict().console;
  }

  verdict(): Verdict {
    if (this.#isMissing && this.console.all().length === 0) {
      const reason = `there is no ${QEMU}`;
      return { kind: 'emulator', reason, hint: INSTALL_HINT, console: [] };
    }
    return verdictOf(this.console, {
      seconds: (performance.now() - this.#began) / 1000,
      emulator: this.#emulator,
      isUp: this.#channels.length > 0,
      ...(this.#limit === undefined ? {} : { limit: this.#limit }),
    });
  }

  complaints(): string[] {
    return this.console.complaints();
  }

  /** Called for an answer that does not come. */
  kill(): void {
    if (this.#channels.length > 0) this.#limit ??= 'answer';
    this.#process.kill('SIGKILL');
  }

  /** Nothing of it is kept, so it need not power off first. */
  async close(limitMs: number): Promise<void> {
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), limitMs);
    await this.exited;
    clearTimeout(timer);
  }
}
