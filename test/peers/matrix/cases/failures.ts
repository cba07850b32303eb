import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { errors, Pool } from '../../../../lib/index.js'
import { byClient, type Case, text } from '../peer.js'
import { TEXT } from '../service/content.js'

const time: Record<string, Case> = {
  headersTimeout: byClient(async (client) => {
    await assert.rejects(text(client, '/slow', { headersTimeout: 150 }), errors.HeadersTimeoutError)
    assert.equal(await text(client, '/id?n=after'), 'after', 'the next request')
  }),
  bodyTimeout: byClient(async (client) => {
    const { statusCode, body } = await client.request({ path: '/stall', method: 'GET', bodyTimeout: 150 })
    assert.equal(statusCode, 200)
    await assert.rejects(body.text(), errors.BodyTimeoutError)
    assert.equal(await text(client, '/id?n=after'), 'after', 'the next request')
  }),
  'a slow body within bodyTimeout': byClient(async (client) => {
    assert.match(await text(client, '/trickle', { bodyTimeout: 5_000 }), /^(drop \d\n){6}$/)
  }),
}

const abort: Record<string, Case> = {
  'while waiting for the response headers': byClient(async (client) => {
    const controller = new AbortController()
    client.once('connect', () => setImmediate(() => controller.abort()))
    await assert.rejects(text(client, '/slow', { signal: controller.signal }), { name: 'AbortError' })
    assert.equal(await text(client, '/id?n=after'), 'after', 'the next request')
  }),
  'within a download': byClient(async (client) => {
    for (let count = 0; count < 5; count++) {
      const controller = new AbortController()
      const { body } = await client.request({ path: '/big.bin', method: 'GET', signal: controller.signal })
      const reading = async () => {
        for await (const _chunk of body) controller.abort()
      }
      await assert.rejects(reading(), { name: 'AbortError' })
    }
    assert.equal(await text(client, '/text.txt'), TEXT, 'the next request')
  }),
  'within an upload': byClient(async (client, { setting }) => {
    for (let count = 0; count < 5; count++) {
      const controller = new AbortController()
      async function* endless() {
        for (let index = 0; ; index++) {
          if (index === 10) controller.abort()
          yield setting.big.subarray(0, 50_000)
        }
      }
      const options = { path: '/digest', method: 'POST', body: Readable.from(endless()), signal: controller.signal }
      await assert.rejects(client.request(options), { name: 'AbortError' })
    }
    assert.equal(await text(client, '/text.txt'), TEXT, 'the next request')
  }),
}

/** Sends requests continuously over four connections, and records the server generation of each response. */
class Load {
  #running = true
  readonly #seen = new Map<string, number>()
  readonly #awaited = new Map<string, () => void>()

  async work(pool: Pool): Promise<void> {
    while (this.#running) {
      const { statusCode, headers, body } = await pool.request({ path: '/text.txt', method: 'GET' })
      assert.equal(statusCode, 200)
      assert.equal(await body.text(), TEXT)
      const generation = String(headers['x-generation'])
      const count = (this.#seen.get(generation) ?? 0) + 1
      this.#seen.set(generation, count)
      if (count === 20) this.#awaited.get(generation)?.()
    }
  }

  /** Resolves after 20 responses of that generation. */
  answered(generation: number): Promise<void> {
    const name = `generation-${generation}`
    if ((this.#seen.get(name) ?? 0) >= 20) return Promise.resolve()
    return new Promise((resolve) => this.#awaited.set(name, resolve))
  }

  stop(): void {
    this.#running = false
  }
}

/** Reloads the server twice under load. */
const reload: Record<string, Case> = {
  'no request is lost': async ({ peer, setting }) => {
    const pool = new Pool(peer.url, { connections: 4, connect: { ca: setting.ca.cert } })
    const load = new Load()
    const reloads = async () => {
      await load.answered(0)
      for (const generation of [1, 2]) {
        await peer.reload?.(generation)
        await load.answered(generation)
      }
      load.stop()
    }
    try {
      const working = Promise.all(Array.from({ length: 4 }, () => load.work(pool)))
      await Promise.race([reloads(), working])
      await working
    } finally {
      load.stop()
      await pool.destroy()
    }
  },
}

export const failures = { time, abort, reload }
