import { PassThrough } from 'node:stream'
import { Client, type Dispatcher } from 'undici'

const client = new Client(new URL('http://localhost:3000'))
const finished = (): void => {}

client.request({ path: '/', method: 'GET' }, (error, data) => {
  if (error) return console.error(error.message)
  const { statusCode, statusText, body, trailers } = data
  body.on('data', (chunk: Buffer) => chunk.length)
  body.on('end', () => console.log(statusCode, statusText, trailers.digest?.toUpperCase()))
})
client.stream(
  { path: '/', method: 'GET' },
  () => new PassThrough(),
  (error, { opaque, trailers }) => void [error?.stack, opaque, trailers],
)
client.connect({ path: 'a.example:1' }, (error, { socket, headers }) => void [error, socket.end(), headers.via])
client.upgrade(
  { path: '/', protocol: 'websocket', method: 'GET' },
  (error, { socket, headers }) => void [error, socket, headers],
)
client.close(finished)
client.destroy(finished)
client.destroy(null, finished)
client.destroy(new Error('over'), finished)

/** As promises. */
export async function all(dispatcher: Dispatcher): Promise<void> {
  const upgraded: Dispatcher.UpgradeData = await dispatcher.upgrade({ path: '/', headers: ['a', 'b'] })
  upgraded.socket.write('x')
  await dispatcher.close()
  await dispatcher.destroy()
  await dispatcher.destroy(new Error('over'))
}

/** Made a promise by hand, as before there were any. */
export function requested(options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData> {
  return new Promise((resolve, reject) => {
    client.request(options, (error, data) => (error ? reject(error) : resolve(data)))
  })
}

// @ts-expect-error: a callback takes an error first
client.request({ path: '/', method: 'GET' }, (data: Dispatcher.ResponseData) => data)
// @ts-expect-error: with a callback there is no promise
client.request({ path: '/', method: 'GET' }, () => {}).then(() => {})
