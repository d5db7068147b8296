#!/usr/bin/env python3
"""Writes that change nothing, to files of a real kernel: prints what each is answered (as root).

  python3 knobs.py > knobs.txt     Values that would change a setting are left out: only refusals,
and the value that is there already.
"""
import errno
import os

THP = '/sys/kernel/mm/transparent_hugepage/'
VM = '/proc/sys/vm/'
WRITES = [
    (THP + 'enabled', ['foo\n', 'Madvise\n', ' madvise\n', 'madvise\n\n', 'madvise', 'madvise\n', '[madvise]\n', '\n', '']),
    (THP + 'defrag', ['foo\n', 'madvise\n', 'defer+', 'defer +madvise\n']),
    (THP + 'use_zero_page', ['2\n', '1\n', '+1', '0x1\n', '-1\n', '1 \n', ' 1\n', '99999999999999999999\n', 'y\n', '01\n']),
    (THP + 'hpage_pmd_size', ['2097152\n']),
    (THP + 'shrink_underused', ['1\n', 'yes\n', 'on\n', 'x\n', 'oo\n', 'T\n', '']),
    (THP + 'shmem_enabled', ['foo\n', 'never\n', 'inherit\n', 'aaaaaaaaaaaaaaaaaaaaaaaa\n']),
    (THP + 'hugepages-64kB/enabled', ['foo\n', 'never\n', 'within_size\n', 'advise\n']),
    (THP + 'hugepages-64kB/shmem_enabled', ['foo\n', 'never\n', 'madvise\n', 'deny\n', 'force\n']),
    (THP + 'hugepages-8kB/enabled', ['never\n']),
    (THP + 'hugepages-8kB/shmem_enabled', ['never\n', 'x\n']),
    (THP + 'hugepages-64kB/stats/nr_anon', ['0\n']),
    (THP + 'hugepages-8kB/stats/nr_anon', ['0\n']),
    (THP + 'hugepages-4kB/enabled', ['never\n']),
    (THP + 'khugepaged/defrag', ['1\n', '2\n', 'a\n']),
    (THP + 'khugepaged/max_ptes_none', ['511\n', '512\n', '-1\n', 'a\n']),
    (THP + 'khugepaged/max_ptes_swap', ['64\n', '512\n']),
    (THP + 'khugepaged/max_ptes_shared', ['256\n', '512\n']),
    (THP + 'khugepaged/pages_to_scan', ['4096\n', '0\n', '4294967296\n']),
    (THP + 'khugepaged/scan_sleep_millisecs', ['10000\n', '4294967296\n', '99999999999999999999\n', '']),
    (THP + 'khugepaged/pages_collapsed', ['0\n']),
    (VM + 'overcommit_memory', ['0\n', '3\n', '-1\n', 'abc\n', '0 1\n', '', '\n', '0x0\n', '0a\n']),
    (VM + 'max_map_count', ['65530\n', '-1\n', '9999999999999\n', '65530 7\n', '0177772\n', '0xfffa']),
    (VM + 'overcommit_ratio', ['50\n', '9999999999\n', '5x\n']),
    (VM + 'mmap_min_addr', ['4096\n', 'x\n', '-1\n']),
    (VM + 'memfd_noexec', ['3\n', '-1\n']),
    (VM + 'unprivileged_userfaultfd', ['0\n', '2\n']),
]


def write(path, text):
    try:
        fd = os.open(path, os.O_WRONLY)
    except OSError as e:
        return '-' + errno.errorcode[e.errno]
    try:
        os.write(fd, text.encode())
        return '0'
    except OSError as e:
        return '-' + errno.errorcode[e.errno]
    finally:
        os.close(fd)


for path, texts in WRITES:
    for text in texts:
        print(path, repr(text).replace('"', "'"), write(path, text), sep='\t')
for path, _ in WRITES:
    if os.path.exists(path) and 'stats' not in path and 'pages_collapsed' not in path:
        print(path, '', repr(open(path).read()), sep='\t')
