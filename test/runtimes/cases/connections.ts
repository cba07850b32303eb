import assert from 'node:assert/strict'
import { Client } from 'sluice'
import { type Case, trusting, type World } from '../servers.js'

type Options = NonNullable<ConstructorParameters<typeof Client>[1]>

function by(part: { origin?: 'http' | 'https' | 'untrusted'; options?(world: World): Options }) {
  return (use: (client: Client, world: World) => Promise<void>): Case =>
    async (world) => {
      const client = new Client(world[part.origin ?? 'http'], part.options?.(world) ?? {})
      try {
        await use(client, world)
      } finally {
        await client.destroy()
      }
    }
}

/** Returns the number of the connection that served the request. */
async function get(client: Client, path = '/hello'): Promise<unknown> {
  const { statusCode, headers, body } = await client.request({ path, method: 'GET' })
  assert.equal(statusCode, 200)
  await body.text()
  return headers['x-connection']
}

const secure = by({ origin: 'https', options: (world) => ({ connect: trusting(world) }) })

const tls: Record<string, Case> = {
  'a trusted origin': secure(async (client) => {
    const { body } = await client.request({ path: '/echo', method: 'POST', body: 'in secret' })
    assert.equal(await body.text(), 'in secret')
    assert.equal(await get(client), await get(client))
  }),
  'a long body': secure(async (client) => {
    const { body } = await client.request({ path: '/bytes?n=3000000', method: 'GET' })
    assert.equal((await body.arrayBuffer()).byteLength, 3_000_000)
  }),
  'an untrusted origin is rejected': by({ origin: 'untrusted' })(async (client) => {
    await assert.rejects(client.request({ path: '/hello', method: 'GET' }))
  }),
  'a custom CA replaces the default CAs': by({
    origin: 'https',
    options: ({ stranger }) => ({ connect: { ca: stranger } }),
  })(async (client) => {
    await assert.rejects(client.request({ path: '/hello', method: 'GET' }))
  }),
  'a servername that differs from the host': async (world) => {
    const origin = world.named.replace('origin.example', '127.0.0.1')
    const client = new Client(origin, { connect: { ...trusting(world), servername: 'origin.example' } })
    try {
      await get(client)
    } finally {
      await client.destroy()
    }
  },
  'a wrong name is rejected': by({
    origin: 'https',
    options: (world) => ({ connect: { ...trusting(world), servername: 'other.example' } }),
  })(async (client) => {
    await assert.rejects(client.request({ path: '/hello', method: 'GET' }))
  }),
}

const pipelining: Record<string, Case> = {
  'concurrent requests get their responses in order': by({ options: () => ({ pipelining: 10 }) })(async (client) => {
    const answers: number[] = []
    await Promise.all(
      Array.from({ length: 50 }, async (_value, index) => {
        const { body } = await client.request({ path: `/bytes?n=${1000 + index}`, method: 'GET' })
        answers.push((await body.arrayBuffer()).byteLength - 1000)
      }),
    )
    assert.deepEqual(
      answers,
      Array.from(answers, (_value, index) => index),
    )
  }),
  'over TLS': by({ origin: 'https', options: (world) => ({ pipelining: 10, connect: trusting(world) }) })(
    async (client) => {
      const used = await Promise.all(Array.from({ length: 20 }, () => get(client)))
      assert.equal(new Set(used).size, 1)
    },
  ),
}

const keepAlive: Record<string, Case> = {
  'a connection is reused': by({})(async (client) => {
    const first = await get(client)
    assert.equal(await get(client), first)
    assert.equal(await get(client, '/bytes?n=200000'), first)
  }),
  'no reuse after connection: close': by({})(async (client) => {
    const first = await get(client, '/close')
    assert.notEqual(await get(client), first)
  }),
  'an idle connection is closed': by({ options: () => ({ keepAliveMaxTimeout: 50 }) })(async (client) => {
    const disconnected = new Promise<void>((resolve) => client.once('disconnect', () => resolve()))
    await get(client)
    await disconnected
    assert.equal(client.stats.connected, false)
  }),
  'close() waits for requests in flight': by({})(async (client) => {
    const running = get(client, '/bytes?n=1000000')
    await client.close()
    await running
    assert.equal(client.closed, true)
  }),
  'over a unix socket': by({ options: ({ socketPath }) => ({ socketPath }) })(
    async (client) => void (await get(client)),
  ),
}

export const connections = { TLS: tls, pipelining, 'keep-alive': keepAlive }
