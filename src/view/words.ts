/** Sizes, addresses and sentences as they are shown. */

/** Page number of a hex address ("0x7f8464379000"): three digits cut off, so it is exact. */
export function vpnOf(address: string): number {
  const digits = address.startsWith('0x') ? address.slice(2) : address;
  return digits.length <= 3 ? 0 : Number.parseInt(digits.slice(0, -3), 16);
}

/** Hex address of a page number. */
export function addressOf(vpn: number): string {
  return vpn === 0 ? '0x0' : `0x${vpn.toString(16)}000`;
}

/** "16K", "2M", "132K": pages as a size. */
export function pagesSize(pages: number): string {
  const kb = pages * 4;
  if (kb >= 1048576 && kb % 1048576 === 0) return `${kb / 1048576}G`;
  if (kb >= 1024 && kb % 1024 === 0) return `${kb / 1024}M`;
  return `${kb}K`;
}

/** "16 kB", "2 MB" of a count of bytes. */
export function bytesSize(bytes: number): string {
  const kb = bytes / 1024;
  if (kb >= 1024 && kb % 1024 === 0) return `${kb / 1024} MB`;
  return `${Number.isInteger(kb) ? kb : kb.toFixed(1)} kB`;
}

/** The first sentence of a text, on one line. */
export function firstSentence(text: string): string {
  const flat = (text.split(/\n\s*\n/, 1)[0] ?? '').replace(/\s+/g, ' ').trim();
  const end = /[.!?](?=\s+[A-Z"'(])/.exec(flat);
  return end === null ? flat : flat.slice(0, end.index + 1);
}

/** "a", "a and b", "a, b and c". */
export function listing(words: readonly string[]): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} and ${words[words.length - 1]}`;
}

/** 1,234,567 */
export function grouped(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ',');
}
