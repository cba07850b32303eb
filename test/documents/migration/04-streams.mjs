// Bodies into a file, through a transform, and out of an iterable.
import { once } from 'node:events'
import { createReadStream, createWriteStream, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { PassThrough, Readable, Transform, pipeline as through, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Client } from 'undici'

const server = createServer((request, answer) => {
  if (request.method === 'GET') Readable.from(Array.from({ length: 50 }, (_, n) => `line ${n}\n`)).pipe(answer)
  else request.pipe(answer)
}).listen(0)
await once(server, 'listening')
const client = new Client(`http://localhost:${server.address().port}`)

const file = `04-${process.pid}.txt`
const { opaque, trailers } = await client.stream(
  { path: '/', method: 'GET', opaque: { name: file } },
  ({ statusCode, opaque }) => {
    console.log(statusCode)
    return createWriteStream(opaque.name)
  },
)
console.log(opaque.name === file, trailers)

const pieces = []
await pipeline(
  createReadStream(file),
  client.pipeline({ path: '/', method: 'PUT' }, ({ statusCode, body }) => {
    console.log(statusCode)
    const upper = new Transform({
      transform: (chunk, _encoding, done) => done(null, chunk.toString().toUpperCase()),
    })
    return through(body, upper, () => {})
  }),
  new Writable({ write: (chunk, _encoding, done) => void done(null, pieces.push(chunk)) }),
)
console.log(Buffer.concat(pieces).toString().split('\n').slice(48))

const { body } = await client.request({
  path: '/',
  method: 'POST',
  body: (async function* () {
    yield 'from '
    yield Buffer.from('a generator')
  })(),
})
const passed = new PassThrough()
body.pipe(passed)
let all = ''
for await (const chunk of passed) all += chunk
console.log(all)
rmSync(file)
await client.close()
server.close()
