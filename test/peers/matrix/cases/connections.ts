import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Client } from '../../../../lib/index.js'
import { byClient, type Case, type Scene, text, withClient } from '../peer.js'
import { CHUNKS, TEXT } from '../service/content.js'
import { digest, pieces } from './messages.js'

/** Counts the connections that a client opens after this call. */
function counting(client: Client): () => number {
  let count = 0
  client.on('connect', () => count++)
  return () => count
}

/** Sends `count` requests at once, and checks that each gets its own response, in order. */
async function numbers(client: Client, count: number): Promise<void> {
  const ended: string[] = []
  const responses = Array.from({ length: count }, async (_value, index) => {
    ended.push(await text(client, `/id?n=${index}`))
  })
  await Promise.all(responses)
  assert.deepEqual(
    ended,
    Array.from({ length: count }, (_value, index) => String(index)),
  )
}

const short =
  (use: (client: Client, scene: Scene) => Promise<void>, pipelining: number): Case =>
  (scene) => {
    const options = { pipelining, keepAliveTimeout: 60_000, keepAliveMaxTimeout: 60_000 }
    return withClient(scene, { url: scene.peer.short, options }, (client) => use(client, scene))
  }

/** Headers that shorten the idle timeout of Varnish. */
const brief = { 'x-short': '1' }

const keepAlive: Record<string, Case> = {
  '200 requests on one connection': byClient(async (client) => {
    const connections = counting(client)
    for (let index = 0; index < 100; index++) assert.equal(await text(client, `/id?n=${index}`), String(index))
    await numbers(client, 100)
    assert.equal(connections(), 1)
  }),
  'responses of every kind on one connection': byClient(async (client, { setting }) => {
    const connections = counting(client)
    for (let round = 0; round < 3; round++) {
      assert.equal(await text(client, '/chunks'), CHUNKS.join(''))
      assert.equal(await text(client, '/empty'), '')
      assert.equal(await text(client, '/text.txt', { method: 'HEAD', reset: false }), '')
      const body = setting.big.subarray(0, 70_000)
      const sent = pieces(body)
      assert.equal(await text(client, '/digest', { method: 'PUT', body: sent }), `${body.length} ${digest(body)}`)
      assert.equal(await text(client, '/text.txt', { headers: { range: 'bytes=0-4' } }), TEXT.slice(0, 5))
    }
    assert.equal(connections(), 1)
  }),
  'connection: close': byClient(async (client) => {
    const connections = counting(client)
    for (let index = 0; index < 5; index++) assert.equal(await text(client, '/close'), 'closed')
    assert.equal(connections(), 5)
  }),
  'three requests on each connection': async (scene) => {
    for (const pipelining of [1, 10]) {
      await short(async (client) => {
        const connections = counting(client)
        await Promise.all(Array.from({ length: 30 }, () => text(client, '/id?n=1')))
        assert.ok(connections() > 6, `${connections()} connections at pipelining ${pipelining}`)
      }, pipelining)(scene)
    }
  },
  'the server closes an idle connection': short(async (client) => {
    const connections = counting(client)
    const ended = once(client, 'disconnect')
    await text(client, '/id?n=1', { headers: brief })
    await ended
    await text(client, '/id?n=1', { headers: brief })
    assert.equal(connections(), 2)
  }, 1),
}

const pipelining: Record<string, Case> = {
  '10 at a time, in order': byClient(
    async (client) => {
      const connections = counting(client)
      await text(client, '/id?n=1')
      let most = 0
      const watch = async () => {
        // A process that was suspended reads its socket before it sends.
        for (; client.stats.size > 0 && most < 10; most = client.stats.running) await new Promise(setImmediate)
      }
      await Promise.all([numbers(client, 100), watch()])
      assert.equal(most, 10)
      assert.equal(connections(), 1)
    },
    { pipelining: 10 },
  ),
  'responses of every kind': byClient(
    async (client) => {
      const responses = Array.from({ length: 10 }, async (_value, index) => {
        const path = ['/chunks', '/text.txt', '/empty', '/nothing'][index % 4] as string
        assert.equal(await text(client, path), [CHUNKS.join(''), TEXT, '', ''][index % 4])
        assert.equal(await text(client, '/big.bin', { method: 'HEAD' }), '')
      })
      await Promise.all(responses)
    },
    { pipelining: 10 },
  ),
  'responses that close the connection': byClient(
    async (client) => {
      const connections = counting(client)
      const answers = await Promise.all(Array.from({ length: 12 }, () => text(client, '/close')))
      assert.deepEqual(new Set(answers), new Set(['closed']))
      assert.equal(connections(), 12)
    },
    { pipelining: 10 },
  ),
}

const unix: Record<string, Case> = {
  'concurrent requests': async (scene) => {
    const { socketPath } = scene.peer
    if (socketPath === undefined) throw new Error('the server does not listen for this')
    await withClient(scene, { url: 'http://localhost', options: { socketPath, pipelining: 10 } }, async (client) => {
      const connections = counting(client)
      await numbers(client, 50)
      assert.equal(await text(client, '/text.txt'), TEXT)
      const body = scene.setting.big.subarray(0, 1_000_000)
      assert.equal(await text(client, '/digest', { method: 'POST', body }), `${body.length} ${digest(body)}`)
      const { body: down } = await client.request({ path: '/big.bin', method: 'GET' })
      assert.ok(scene.setting.big.equals(await down.bytes()))
      assert.equal(connections(), 1)
    })
  },
}

export const connections = { 'keep-alive': keepAlive, pipelining, 'unix socket': unix }
