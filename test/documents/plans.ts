import type { Block } from './blocks.js'
import type { Entry, Plans } from './plan.js'
import { agents } from './plans-agents.js'
import { diagnostics } from './plans-diagnostics.js'
import { dispatchers } from './plans-dispatchers.js'

/** Plans of all examples. The test fails for an example without a plan. */
export const plans: Plans = { ...dispatchers, ...agents, ...diagnostics }

export function entryOf({ document, heading, index }: Block): Entry | undefined {
  return plans[document]?.[heading]?.[index - 1]
}
