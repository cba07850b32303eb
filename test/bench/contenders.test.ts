import t from 'tap'
import { contenders } from '../../bench/contenders/all.js'
import type { Api, Contender } from '../../bench/harness/session.js'
import type { SceneName } from '../../bench/origin/scenes.js'
import { missing, packages } from './packages.js'
import { once, open } from './session.js'

const scenes: SceneName[] = ['small', 'post', 'fields', 'chunked', 'closing', 'download', 'upload']

/** What a body of the scene can be taken as. */
function apisFor(contender: Contender, scene: SceneName): readonly Api[] {
  if (scene !== 'chunked' && scene !== 'download') return contender.apis
  return contender.apis.filter((api) => api === 'dispatch' || api === 'bytes' || api === 'chunks')
}

for (const contender of contenders) {
  t.test(contender.name, { skip: missing() }, async (t) => {
    for (const scene of scenes) {
      for (const api of apisFor(contender, scene)) {
        const { session, origin } = await open(t, scene, { contender, api, packages: packages() })
        await t.resolves(Promise.all([once(session), once(session), once(session)]), `${scene}, ${api}`)
        t.equal(origin.responses, 3)
      }
    }
    for (const api of contender.apis) {
      const { session } = await open(t, 'wrong', { contender, api, packages: packages() })
      await t.rejects(once(session), { name: 'WrongResponse' }, `a wrong body is found out, ${api}`)
    }
  })
}
