import t from 'tap'
import { benchClients } from '../../bench/clients/all.js'
import type { Api, BenchClient } from '../../bench/harness/client-session.js'
import type { ScenarioName } from '../../bench/origin/scenarios.js'
import { once, open } from './client-session.js'
import { missing, packages } from './packages.js'

const scenarios: ScenarioName[] = ['small', 'post', 'fields', 'chunked', 'closing', 'download', 'upload']

/** Returns the APIs that can read the body of the scenario. */
function apisFor(client: BenchClient, scenario: ScenarioName): readonly Api[] {
  if (scenario !== 'chunked' && scenario !== 'download') return client.apis
  return client.apis.filter((api) => api === 'dispatch' || api === 'bytes' || api === 'chunks')
}

for (const client of benchClients) {
  t.test(
    `${client.name} reads every scenario by every API, and rejects a wrong body`,
    { skip: missing() },
    async (t) => {
      for (const scenario of scenarios) {
        for (const api of apisFor(client, scenario)) {
          const { session, origin } = await open(t, scenario, { client, api, packages: packages() })
          await t.resolves(Promise.all([once(session), once(session), once(session)]), `${scenario}, ${api}`)
          t.equal(origin.responses, 3)
        }
      }
      for (const api of client.apis) {
        const { session } = await open(t, 'wrong', { client, api, packages: packages() })
        await t.rejects(once(session), { name: 'WrongResponse' }, `wrong body, ${api}`)
      }
    },
  )
}
