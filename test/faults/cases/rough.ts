import t, { type Test } from 'tap'
import { Client, Pool } from '../../../lib/index.js'
import { bytes } from '../bytes.js'
import { ask, damagePackets, describe, FarServers, isNetem, noSocketsLeft, plan } from '../network-control.js'
import type { PacketDamage } from '../relay.js'

const damages: Record<string, PacketDamage> = {
  'one packet in a hundred is lost': { loss: 0.01 },
  'one in ten is lost': { loss: 0.1 },
  'delays that vary': { delay: 20, jitter: 15 },
  'some overtake others': { delay: 20, reorder: 0.25 },
  'some come twice': { duplicate: 0.2 },
  'some are damaged': { corrupt: 0.03 },
  'a slow link': { rate: 1_000_000 },
  'all of it': { loss: 0.02, delay: 8, jitter: 6, reorder: 0.2, duplicate: 0.05, corrupt: 0.01, rate: 3_000_000 },
}

const SIZE = 30_000
const patience = { headersTimeout: 30_000, bodyTimeout: 30_000, connectTimeout: 30_000 }

const far = await FarServers.start(t)
const rounds = Number(process.env.SLUICE_FAULT_ROUNDS ?? 1)
const all = Array.from({ length: rounds }, (_, round) =>
  Object.entries(damages).map(([name, damage]) => ({ name: round === 0 ? name : `${name}, ${round}`, damage })),
).flat()
for (const { name, damage } of all) {
  await t.test(name, async (t) => {
    const { securePort, ca } = far.ready
    const plain = new Pool(far.url('10.77.2.2'), { connections: 3, pipelining: 3, ...patience })
    const secure = new Client(`https://10.77.2.2:${securePort}`, {
      ...patience,
      connect: { ca, servername: 'far.test', timeout: 30_000 },
    })
    await damagePackets(damage)
    t.ok(plan.damageMethod === 'netem' || isNetem(damage), 'netem could do the same')
    let damaged = 0
    // Rare damage may affect no packet of one round.
    for (let round = 0; damaged === 0 && round < 10; round++) {
      await transfer(t, { plain, secure, name: `${name}-${round}` })
      damaged = await damagePackets(damage)
    }
    t.match(plain.stats, { running: 0, pending: 0, queued: 0, size: 0 })
    t.match(secure.stats, { running: 0, pending: 0, size: 0 })
    await Promise.all([plain.close(), secure.close()])
    t.equal(plain.stats.connected, 0)
    await damagePackets({})
    t.comment(`${damaged} packets`)
    t.not(damaged, 0, 'packets were corrupted')
  })
}

/** Transfers bytes in both directions, over three connections and one TLS connection. */
async function transfer(
  t: Test,
  { plain, secure, name }: { plain: Pool; secure: Client; name: string },
): Promise<void> {
  const gets = [plain, plain, plain, plain, plain, plain, secure, secure].map((dispatcher) =>
    ask(dispatcher, { path: `/bytes/${SIZE}` }),
  )
  const paths = ['a', 'b', 'c', 'd'].map((letter) => `/echo/${encodeURIComponent(name)}-${letter}`)
  const posts = paths.map((path) => ask(plain, { path, method: 'POST', body: bytes(SIZE) }))
  const outcomes = await Promise.all([...gets, ...posts])
  t.strictSame([...new Set(outcomes.map(describe))], ['answered'])
  t.ok(
    outcomes.every(({ body }) => body?.equals(bytes(SIZE))),
    'every byte in its place',
  )
  const counts = await far.command({ do: 'counts' })
  t.strictSame(
    paths.map((path) => counts[`POST ${path}`]),
    [1, 1, 1, 1],
    'no POST ran twice',
  )
}

await t.test('leaves no socket behind', noSocketsLeft)
