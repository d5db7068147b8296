/**
 * The kernel copies to or from a task's memory: page by page, with the faults that this takes. What
 * moves is the content of pages: the value that the model keeps for the first byte of each.
 */
import { EFAULT, PAGE_SIZE, type TaskRow, type U64, word } from '../base/index.ts';
import {
  faultinPage,
  isReadable,
  loadContent,
  markTouched,
  storeContent,
  vmaForAccess,
} from '../mm/memory.ts';
import type { Machine } from '../mm/mm_types.ts';
import { TASK_PAGES } from '../mm/mman.ts';
import { VM_READ, VM_WRITE } from '../mm/vm_flags.ts';

/** Makes one page of `task` readable or writable for a copy: 0, -EFAULT or -ENOMEM. */
export function touchUser(m: Machine, task: TaskRow, vpn: number, write: boolean): number {
  if (vpn >= TASK_PAGES) return -EFAULT;
  const v = vmaForAccess(m, task, vpn);
  if (v === 0) return -EFAULT;
  const flags = m.vma.flags[v]!;
  if (write ? (flags & VM_WRITE) === 0 : (flags & (VM_READ | VM_WRITE)) === 0) return -EFAULT;
  const failed = faultinPage(m, task, v, vpn, write);
  if (failed === 0) markTouched(m, task, vpn, write);
  return failed;
}

/** Bytes of [addr, addr + length) that can be touched, from the front; faults are taken. */
export function touchRange(
  m: Machine,
  task: TaskRow,
  addr: U64,
  length: number,
  write: boolean,
): number {
  const first = word.pageOf(addr);
  const offset = word.offsetOf(addr);
  const last = first + Math.floor((offset + length - 1) / PAGE_SIZE);
  for (let vpn = first; vpn <= last; vpn++) {
    if (touchUser(m, task, vpn, write) !== 0) {
      return Math.max(0, (vpn - first) * PAGE_SIZE - offset);
    }
  }
  return length;
}

/** Copies to [addr, addr + length) what `byteAt` gives: the bytes that could be written. */
export function copyOut(
  m: Machine,
  task: TaskRow,
  addr: U64,
  length: number,
  byteAt: (i: number) => number,
): number {
  const done = touchRange(m, task, addr, length, true);
  const offset = word.offsetOf(addr);
  for (let at = offset === 0 ? 0 : PAGE_SIZE - offset; at < done; at += PAGE_SIZE) {
    storeContent(m, task, word.pageOf(word.add(addr, word.fromNumber(at))), byteAt(at));
  }
  return done;
}

/** copy_to_user() of all the bytes. */
export function copyBytes(m: Machine, task: TaskRow, addr: U64, bytes: Uint8Array): boolean {
  return copyOut(m, task, addr, bytes.length, (i) => bytes[i]!) === bytes.length;
}

/** Bytes of [addr, addr + length) that can be read without a fault, from the front. */
export function presentBytes(m: Machine, task: TaskRow, addr: U64, length: number): number {
  const first = word.pageOf(addr);
  const offset = word.offsetOf(addr);
  for (let done = 0; done < length; ) {
    const vpn = first + Math.floor((offset + done) / PAGE_SIZE);
    if (vpn >= TASK_PAGES || !isReadable(m, task, vpn)) return done;
    done += PAGE_SIZE - ((offset + done) % PAGE_SIZE);
    if (done >= length) return length;
  }
  return length;
}

/** The byte at an address that was touched; known for the first byte of a page only. */
export function userByte(m: Machine, task: TaskRow, addr: U64): number {
  return loadContent(m, task, word.pageOf(addr));
}
