import { authority, serverIdentity } from '../../test/servers/certificates.js'
import { serve } from '../harness/channel.js'
import { Origin } from './origin.js'
import type { ScenarioName } from './scenarios.js'

// Origin process: opens ports on request of its parent, and reports CPU time and responses.
const ca = await authority()
const origin = new Origin(await serverIdentity(ca))

serve({
  authority: () => ca.cert,
  listen: ({ scenario, secure, count = 1 }: { scenario: ScenarioName; secure?: boolean; count?: number }) =>
    Promise.all(Array.from({ length: count }, () => origin.listen(scenario, { secure: secure ?? false }))),
  usage: () => origin.usage,
})
