/** QEMU's command line for a virtual machine that executes programs. */
import type { KernelImage } from './kernel_image.ts';

export const QEMU = 'qemu-system-x86_64';

export const INSTALL_HINT =
  'Debian and Ubuntu: apt-get install --no-install-recommends qemu-system-x86; Fedora: dnf install qemu-system-x86-core';

export interface MachineFiles {
  readonly initramfs: string;
  /** Undefined: no disk. */
  readonly disk: string | undefined;
  /** Sockets that we listen on: one for each job, and one for the second serial port. */
  readonly ports: readonly string[];
  readonly serial: string;
}

const MEMORY_MIB = 1024;

/**
 * Emulated in software (TCG): it needs neither rights nor /dev/kvm, and it is the same machine
 * wherever it runs. One CPU for each job; an executor is pinned to each.
 */
export function qemuArguments(image: KernelImage, files: MachineFiles): string[] {
  const { ports } = files;
  const socket = (id: string, path: string) => ['-chardev', `socket,id=${id},path=${path}`];
  const append = [
    'console=ttyS0,115200',
    'panic=-1',
    'mitigations=off',
    'loglevel=6',
    `-- vm ${ports.length}`,
  ];
  return [
    ...['-nodefaults', '-no-user-config', '-machine', 'pc', '-accel', 'tcg,thread=multi'],
    ...['-m', `${MEMORY_MIB}M`, '-smp', String(ports.length), '-display', 'none', '-no-reboot'],
    ...['-serial', 'stdio', ...socket('serial', files.serial), '-serial', 'chardev:serial'],
    ...['-device', `virtio-serial-pci,max_ports=${ports.length + 1}`],
    ...ports.flatMap((path, i) => [
      ...socket(`port${i}`, path),
      ...['-device', `virtserialport,chardev=port${i},name=faultline.${i}`],
    ]),
    ...(files.disk === undefined
      ? []
      : ['-drive', `file=${files.disk},if=virtio,format=raw,cache=unsafe`]),
    ...['-kernel', image.path, '-initrd', files.initramfs, '-append', append.join(' ')],
  ];
}
