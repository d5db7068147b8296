/**
 * NUMA policy on a machine of one node, and calls that this processor or configuration refuses
 * (mm/mempolicy.c, arch/x86/kernel/shstk.c, 6.18).
 */
import { EOPNOTSUPP } from '../base/index.ts';
import type { CallTable, Handler } from './state.ts';

const ONE_NODE = 'placement on NUMA nodes: the modelled machine has one';

/** A policy that no mapping keeps: nothing changes where there is one node. */
const placement: Handler = () => ({ ignored: ONE_NODE });

const MPOL_DEFAULT = 0;

export const POLICY_CALLS: CallTable = {
  // A mapping's own policy keeps it from merging with its neighbours.
  mbind: [
    'uuu|auu',
    (_k, _t, a) =>
      (a.int(2) & 0xff) === MPOL_DEFAULT
        ? { ignored: ONE_NODE }
        : { unmodelled: 'a NUMA policy of a mapping (mbind)' },
  ],
  set_mempolicy: ['u|au', placement],
  get_mempolicy: ['a|auuu', placement],
  set_mempolicy_home_node: ['uuu|u', placement],
  move_pages: ['uua|aau', placement],
  migrate_pages: ['uuaa', placement],
  // Shadow stacks need a processor and a configuration that have them.
  map_shadow_stack: ['uu|u', () => -EOPNOTSUPP],
};
