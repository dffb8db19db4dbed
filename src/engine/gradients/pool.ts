/** Gradient rules of poolings. */
import { avgPoolGradient, maxPoolGradient } from '../ops/pool.ts'
import type { Rules } from './rule.ts'

export const poolRules: Rules = {
  max_pool3d: (node, [dy]) => [dy && maxPoolGradient(node, dy)],
  avg_pool3d: (node, [dy]) => [dy && avgPoolGradient(node, dy)],
}
