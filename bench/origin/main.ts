import { authority, serverIdentity } from '../../test/servers/certificates.js'
import { answer } from '../harness/channel.js'
import { Origin } from './origin.js'
import type { SceneName } from './scenes.js'

// The origin as a process: opens ports as its parent says, and tells how busy it was.
const ca = await authority()
const origin = new Origin(await serverIdentity(ca))

answer({
  authority: () => ca.cert,
  listen: ({ scene, secure, count = 1 }: { scene: SceneName; secure?: boolean; count?: number }) =>
    Promise.all(Array.from({ length: count }, () => origin.listen(scene, { secure: secure ?? false }))),
  usage: () => origin.usage,
})
