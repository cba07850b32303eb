import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { Client } from '../../lib/index.js'
import { authority, clientIdentity, serverIdentity } from '../servers/certificates.js'
import { nginx } from '../servers/nginx.js'
import { httpOrigin } from '../servers/origin.js'
import { freePort, missing } from '../servers/program.js'

const skip = missing('nginx', ['nginx', 'libnginx-mod-stream'])
const big = randomBytes(10_000_000)

/** nginx in front of a Node server that echoes, answers in chunks and sends early hints. */
async function setUp() {
  const behind = await httpOrigin((request, reply) => {
    if (request.url === '/chunks') {
      for (let i = 0; i < 100; i++) reply.write(`chunk ${i}\n`)
      return void reply.end()
    }
    // nginx stops sending a request whose answer has begun: the echo waits for the whole.
    const chunks: Buffer[] = []
    request.on('data', (chunk) => chunks.push(chunk)).on('end', () => reply.end(Buffer.concat(chunks)))
  })
  const ca = await authority()
  const server = await serverIdentity(ca)
  const client = await clientIdentity(ca)
  const [plain, secure] = [await freePort(), await freePort()]
  const program = await nginx({
    ports: [plain, secure],
    files: {
      'ca.pem': ca.cert,
      'server.pem': server.cert,
      'server.key': server.key,
      'big.bin': big,
      'text.txt': 'hello nginx\n'.repeat(500),
    },
    http: `
      gzip on; gzip_min_length 10; gzip_types text/plain;
      server {
        listen 127.0.0.1:${plain}; listen unix:FOLDER/nginx.sock;
        keepalive_requests 100000; root FOLDER; client_max_body_size 20m;
        types { text/plain txt; }
        location = /connection { default_type text/plain; return 200 "$connection $connection_requests"; }
        location = /few { keepalive_requests 3; default_type text/plain; return 200 "$connection"; }
        location = /empty { return 204; }
        location = /small { client_max_body_size 1k; proxy_pass http://127.0.0.1:${behind.port}; }
        location /proxy/ { proxy_pass http://127.0.0.1:${behind.port}/; proxy_http_version 1.1; proxy_request_buffering off; }
      }
      server {
        listen 127.0.0.1:${secure} ssl; root FOLDER;
        ssl_certificate FOLDER/server.pem; ssl_certificate_key FOLDER/server.key;
        ssl_client_certificate FOLDER/ca.pem; ssl_verify_client on;
        location = /who { default_type text/plain; return 200 "$ssl_client_s_dn $ssl_protocol"; }
      }`,
  })
  const tearDown = async () => {
    await program.stop()
    await behind.close()
  }
  return {
    plain: `http://127.0.0.1:${plain}`,
    secure: `https://127.0.0.1:${secure}`,
    folder: program.folder,
    ca,
    client,
    tearDown,
  }
}

t.test('a real nginx', { skip }, async (t) => {
  const peer = await setUp()
  const text = async (client: Client, path: string) => (await client.request({ path, method: 'GET' })).body.text()

  await t.test('keep-alive and pipelining over one connection', async (t) => {
    for (const pipelining of [1, 10]) {
      const client = new Client(peer.plain, { pipelining })
      const answers = await Promise.all(Array.from({ length: 200 }, () => text(client, '/connection')))
      t.equal(new Set(answers.map((answer) => answer.split(' ')[0])).size, 1, `pipelining ${pipelining}`)
      t.strictSame(
        answers.map((answer) => Number(answer.split(' ')[1])),
        Array.from({ length: 200 }, (_, i) => i + 1),
      )
      await client.close()
    }
  })

  await t.test('a server that ends connections loses no request', async (t) => {
    for (const pipelining of [1, 10]) {
      const client = new Client(peer.plain, { pipelining })
      const answers = await Promise.all(Array.from({ length: 100 }, () => text(client, '/few')))
      t.equal(answers.length, 100)
      t.ok(new Set(answers).size >= 33, `${new Set(answers).size} connections`)
      await client.close()
    }
  })

  await t.test('HEAD, 204, 304, chunked, gzip', async (t) => {
    const client = new Client(peer.plain, { pipelining: 5 })
    const head = await client.request({ path: '/big.bin', method: 'HEAD' })
    t.equal(head.headers['content-length'], String(big.length))
    t.equal(await head.body.text(), '')
    t.equal((await client.request({ path: '/empty', method: 'GET' })).statusCode, 204)
    const first = await client.request({ path: '/text.txt', method: 'GET' })
    const plain = await first.body.text()
    const headers = { 'if-none-match': first.headers.etag as string }
    const second = await client.request({ path: '/text.txt', method: 'GET', headers })
    t.equal(second.statusCode, 304)
    t.equal(await second.body.text(), '')
    t.equal(await text(client, '/proxy/chunks'), Array.from({ length: 100 }, (_, i) => `chunk ${i}\n`).join(''))
    const zipped = await client.request({ path: '/text.txt', method: 'GET', headers: { 'accept-encoding': 'gzip' } })
    t.equal(zipped.headers['content-encoding'], 'gzip')
    t.equal(gunzipSync(await zipped.body.bytes()).toString(), plain)
    await client.close()
  })

  await t.test('10 MB each way, byte by byte', async (t) => {
    const client = new Client(peer.plain)
    const down = await client.request({ path: '/big.bin', method: 'GET' })
    t.ok(big.equals(await down.body.bytes()))
    const bodies = { Buffer: big, Readable: Readable.from([big.subarray(0, 5_000_000), big.subarray(5_000_000)]) }
    for (const [name, body] of Object.entries(bodies)) {
      const up = await client.request({ path: '/proxy/echo', method: 'POST', body })
      t.ok(big.equals(await up.body.bytes()), name)
    }
    const options = { path: '/proxy/echo', method: 'POST', body: big, expectContinue: true }
    const infos: number[] = []
    const continued = await client.request({ ...options, onInfo: ({ statusCode }) => infos.push(statusCode) })
    t.ok(big.equals(await continued.body.bytes()))
    t.strictSame(infos, [100])
    await client.close()
  })

  await t.test('413 during an upload is delivered', async (t) => {
    const client = new Client(peer.plain)
    for (const body of [big, Readable.from(pieces())]) {
      const { statusCode, body: answer } = await client.request({ path: '/small', method: 'POST', body })
      t.equal(statusCode, 413)
      t.match(await answer.text(), /413 Request Entity Too Large/)
    }
    t.match(await text(client, '/connection'), /^\d+ \d+$/)
    await client.close()
  })

  await t.test('TLS with a client certificate', async (t) => {
    const trusted = new Client(peer.secure, { connect: { ca: peer.ca.cert, ...peer.client } })
    t.match(await text(trusted, '/who'), /CN=a client TLSv1\.[23]/)
    t.ok(big.equals(await (await trusted.request({ path: '/big.bin', method: 'GET' })).body.bytes()))
    await trusted.close()
    const anonymous = new Client(peer.secure, { connect: { ca: peer.ca.cert } })
    t.equal((await anonymous.request({ path: '/who', method: 'GET' })).statusCode, 400)
    await anonymous.close()
  })

  await t.test('a unix socket', async (t) => {
    const client = new Client('http://localhost', { socketPath: join(peer.folder, 'nginx.sock') })
    t.equal(await text(client, '/text.txt'), readFileSync(join(peer.folder, 'text.txt'), 'utf8'))
    await client.close()
  })

  await peer.tearDown()
})

function* pieces() {
  for (let at = 0; at < big.length; at += 65536) yield big.subarray(at, at + 65536)
}
