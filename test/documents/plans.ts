import type { Block } from './blocks.js'
import type { Entry, Plans } from './plan.js'
import { agents } from './plans-agents.js'
import { diagnostics } from './plans-diagnostics.js'
import { dispatchers } from './plans-dispatchers.js'

/** Every example of the documents: one that is not here is one nobody has looked at. */
export const plans: Plans = { ...dispatchers, ...agents, ...diagnostics }

export function entryOf({ document, heading, index }: Block): Entry | undefined {
  return plans[document]?.[heading]?.[index - 1]
}
