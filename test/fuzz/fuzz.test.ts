import t from 'tap'
import { tryThroughClient } from './client-response.js'
import { must } from './finding.js'
import { regressions } from './regressions.js'
import { tryResponse } from './response.js'
import { readRequest } from './strict-request.js'
import { TARGETS, type Target } from './targets.js'

const SMALL: Record<Target, number> = { response: 4_000, request: 4_000, events: 150 }
const seed = Number(process.env.SLUICE_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))

for (const name of Object.keys(TARGETS) as Target[]) {
  t.test(`${name}: fuzzing finds nothing`, async (t) => {
    const { fuzz } = await TARGETS[name].load()
    let last = ''
    const note = (input: string) => {
      last = input
    }
    try {
      t.comment(`seed ${seed}: ${await fuzz({ runs: SMALL[name], seed, note })}`)
    } catch (error) {
      const again = `SLUICE_FUZZ_SEED=${seed} node dist/test/fuzz/fuzz.test.js`
      t.fail(`again: ${again}\n${(error as Error).stack}`, { input: last })
    }
  })
}

t.test('former findings do not recur', async (t) => {
  for (const { note, input, plan } of regressions) {
    t.doesNotThrow(() => tryResponse(input, plan), note)
    await tryThroughClient(input, plan)
  }
})

t.test('the strict request parser accepts valid requests only', async (t) => {
  const head = 'POST /a HTTP/1.1\r\nhost: b\r\n'
  const good = [
    `${head}\r\n`,
    `${head}content-length: 3\r\n\r\nabc`,
    `${head}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
  ]
  for (const text of good) {
    const reading = readRequest(text)
    t.equal(reading.state, 'complete', text)
    must(reading.state === 'complete', 'it is')
    t.equal(reading.next, text.length)
    for (let cut = 0; cut < text.length; cut++) t.equal(readRequest(text.slice(0, cut)).state, 'more')
  }
  const bad = [
    'GET  / HTTP/1.1\r\nhost: b\r\n\r\n',
    'GET /a b HTTP/1.1\r\nhost: b\r\n\r\n',
    'GET a HTTP/1.1\r\nhost: b\r\n\r\n',
    'GET / HTTP/1.0\r\nhost: b\r\n\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    `${head}host: b\r\n\r\n`,
    `${head}x : y\r\n\r\n`,
    `${head}x: y\n\r\n\r\n`,
    `${head} x: y\r\n\r\n`,
    `${head}x: \0\r\n\r\n`,
    `${head}content-length: 1\r\ncontent-length: 1\r\n\r\na`,
    `${head}content-length: +1\r\n\r\na`,
    `${head}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${head}transfer-encoding: gzip\r\n\r\n`,
    `${head}transfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n`,
    `${head}transfer-encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n`,
  ]
  for (const text of bad) t.equal(readRequest(text).state, 'wrong', JSON.stringify(text))
})
