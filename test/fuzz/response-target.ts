import { tryThroughClient } from './client-response.js'
import { Random } from './random.js'
import { ResponseInputs, tryResponse } from './response.js'
import type { Fuzz } from './targets.js'

/** One in this many inputs is also read by a Client. */
const CLIENT_SHARE = 256

export const fuzz: Fuzz = async ({ runs, seed, note }) => {
  const random = new Random(seed)
  const inputs = new ResponseInputs(random)
  const first = inputs.size
  let clients = 0
  for (let run = 0; run < runs; run++) {
    const input = inputs.next()
    const plan = random.seed() | 1
    note(JSON.stringify({ ...input, plan }))
    const outcome = tryResponse(input, plan)
    if (inputs.guidance.fresh(outcome)) inputs.keep(input)
    if (random.once(CLIENT_SHARE)) {
      clients++
      await tryThroughClient(input, plan)
    }
  }
  const { blocks, outcomes } = inputs.guidance
  const covered = blocks === 0 ? '' : `${blocks} blocks of lib/wire, `
  return `${covered}${outcomes} kinds of outcome, ${inputs.size - first} inputs kept, ${clients} through a Client`
}
