import t from 'tap'
import { type Runtime, run, runtime } from '../runtimes/runtimes.js'

const program = `
  import http from 'node:http'
  import inspector from 'node:inspector/promises'
  import { Client } from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)}
  const session = new inspector.Session()
  session.connect()
  await session.post('Network.enable')
  session.on('inspectorNotification', ({ method, params }) => {
    const { request, response, errorText } = params
    const { url, status, headers } = request ?? response ?? {}
    const { hasPostData, method: verb } = request ?? {}
    console.log(JSON.stringify([method, { url, verb, hasPostData, status, ask: headers?.['x-ask'], errorText }]))
  })
  const server = http.createServer((request, reply) => request.pipe(reply)).listen(0, '127.0.0.1', async () => {
    const url = 'http://127.0.0.1:' + server.address().port
    const client = new Client(url)
    const { body } = await client.request({ path: '/path?query', method: 'POST', body: 'text', headers: { 'x-ask': 'yes' } })
    await body.text()
    await client.close()
    server.close()
    const lost = new Client(url)
    await lost.request({ path: '/', method: 'GET' }).catch(() => {})
    await lost.close()
    session.disconnect()
  })
`

const node = await runtime('node@24')
const skip = typeof node === 'string' ? node : false

t.test("Node's inspector shows requests", { skip }, async (t) => {
  const { stdout, stderr, code } = await run((node as Runtime).path, [
    '--experimental-network-inspection',
    '--input-type=module',
    '-e',
    program,
  ])
  t.equal(code, 0, stderr)
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  const methods = events.map(([method]) => method).filter((method) => method !== 'Network.dataReceived')
  t.strictSame(methods, [
    'Network.requestWillBeSent',
    'Network.responseReceived',
    'Network.loadingFinished',
    'Network.requestWillBeSent',
    'Network.loadingFailed',
  ])
  const [[, sent], [, answered]] = events
  t.match(sent, { url: /^http:\/\/127.0.0.1:\d+\/path\?query$/, verb: 'POST', hasPostData: true, ask: 'yes' })
  t.match(answered, { status: 200 })
  t.match(events.at(-1)[1], { errorText: /ECONNREFUSED/ })
})
