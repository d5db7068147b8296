/** A long strace log whose results are known beforehand: mappings come and go at one place. */

const TOP = 0x7ffff7d00000;

function hex(n) {
  return `0x${n.toString(16)}`;
}

/** At least `steps` calls: map, protect, advise and unmap at fixed addresses. */
export function longLog(steps) {
  const lines = [];
  for (let i = 0; lines.length < steps; i++) {
    const at = hex(TOP - (i % 64) * 0x10000);
    const flags = 'MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS';
    lines.push(`mmap(${at}, 32768, PROT_READ|PROT_WRITE, ${flags}, -1, 0) = ${at}`);
    lines.push(`mprotect(${at}, 4096, PROT_READ) = 0`);
    lines.push(`madvise(${at}, 32768, MADV_DONTNEED) = 0`);
    lines.push(`mprotect(${at}, 4096, PROT_READ|PROT_WRITE) = 0`);
    lines.push(`munmap(${at}, 32768) = 0`);
  }
  return `${lines.join('\n')}\n`;
}
