import t from 'tap'
import { DecoratorHandler, type Dispatcher, interceptors, Pool } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

type Interceptor = Dispatcher.DispatchInterceptor

const ways: Record<string, { interceptors: Interceptor[]; first: 'fail' | 'redirect' | 'stall' }> = {
  retry: { interceptors: [interceptors.retry({ minTimeout: 1 }) as Interceptor], first: 'fail' },
  redirect: { interceptors: [interceptors.redirect({ maxRedirections: 1 }) as Interceptor], first: 'redirect' },
  hedge: { interceptors: [interceptors.hedge({ delay: 5 }) as Interceptor], first: 'stall' },
  'retry above redirect': {
    interceptors: [
      interceptors.redirect({ maxRedirections: 1 }) as Interceptor,
      interceptors.retry({ minTimeout: 1 }) as Interceptor,
    ],
    first: 'redirect',
  },
}

for (const [way, { interceptors: chain, first }] of Object.entries(ways)) {
  t.test(`resends the original bytes although the caller reuses their memory: ${way}`, async (t) => {
    for (const callback of ['onBodySent', 'onRequestSent'] as const) {
      for (const kind of ['Buffer', 'ArrayBuffer', 'view', 'pieces'] as const) {
        const received: string[] = []
        const origin = await httpOrigin((request, reply) => {
          let text = ''
          request.on('data', (piece) => {
            text += piece
          })
          request.on('end', () => {
            received.push(text)
            if (received.length > 1) reply.end('ok')
            else if (first === 'fail') reply.writeHead(503).end()
            else if (first === 'redirect') reply.writeHead(307, { location: '/again' }).end()
          })
        })
        const bytes = new Uint8Array(70_000).fill(97)
        const pieces = [bytes.subarray(0, 30_000), bytes.subarray(30_000)]
        const bodies = {
          Buffer: Buffer.from(bytes.buffer),
          ArrayBuffer: bytes.buffer,
          view: bytes,
          pieces: [...pieces],
        }
        const body: unknown = bodies[kind]
        // Of several pieces, the one that was sent.
        const reused = () => (kind === 'pieces' && callback === 'onBodySent' ? pieces.shift() : bytes)
        const client = new Pool(origin.url)
        await new Promise<void>((resolve, reject) => {
          const handler: Dispatcher.DispatchHandler = {
            [callback]: () => void reused()?.fill(98),
            onResponseEnd: () => resolve(),
            onResponseError: (_controller, error) => reject(error),
          }
          const options = { path: '/', method: 'PUT', body: body as Buffer, idempotent: true }
          client.compose(chain).dispatch(options, new DecoratorHandler(handler))
        })
        t.strictSame(
          received.map((text) => text === 'a'.repeat(70_000)),
          [true, true],
          `${callback}, ${kind}`,
        )
        await client.destroy()
        await origin.close()
      }
    }
  })
}
