import { Client, RetryHandler } from '../../lib/index.js'
import { Recorder } from './recorder.js'
import { type Answer, message, scriptedOrigin } from './script.js'

export const get = { path: '/', method: 'GET' }
export const quick = { minTimeout: 1, maxTimeout: 5 }
export const fine = message('200 OK', 'fine')
export const busy = message('503 Busy', 'busy', { 'x-from': 'server' })
export const tag = { etag: '"one"' }
export const cut: Answer = { text: message('200 OK', '0123', { ...tag, 'content-length': '10' }), end: 'cut' }
export const lost: Answer = { text: '', end: 'cut' }
export const rest = message('206 Partial Content', '456789', { ...tag, 'content-range': 'bytes 4-9/10' })
export const again = (_error: Error, _context: RetryHandler.RetryContext, callback: RetryHandler.OnRetryCallback) =>
  callback(null)

export interface Outcome {
  recorder: Recorder
  requests: string[]
  connections: number
}

/** Sends one request with a RetryHandler to a scripted origin. */
export async function run(
  answers: Answer[],
  part: { options?: RetryHandler.RetryOptions; request?: object; recorder?: Recorder } = {},
): Promise<Outcome> {
  const { options = {}, request = {}, recorder = new Recorder() } = part
  const origin = await scriptedOrigin(...answers)
  const client = new Client(origin.url)
  const sent = { ...get, ...request }
  const retryOptions = { ...quick, ...options }
  const handler = new RetryHandler(
    { ...sent, retryOptions },
    { dispatch: (options, handler) => client.dispatch(options, handler), handler: recorder },
  )
  client.dispatch(sent, handler)
  await recorder.ended
  const { connections } = origin
  await client.destroy()
  await origin.close()
  return { recorder, requests: origin.requests, connections }
}

/** Limits the number of retries of a retry callback. */
export function limited(retry: RetryHandler.RetryCallback, most: number): RetryHandler.RetryCallback {
  return (error, context, callback) =>
    context.state.counter > most ? callback(error) : retry(error, context, callback)
}
