import t from 'tap'
import { Agent, type Dispatcher, interceptors } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

/** Interceptors that report errors after the dispatch. */
const chains: Record<string, () => Dispatcher.DispatchInterceptor> = {
  responseError: () => interceptors.responseError(),
  decompress: () => interceptors.decompress({ skipErrorResponses: false }),
  dns: () =>
    interceptors.dns({ lookup: (_origin, _options, done) => void setImmediate(done, new Error('no name'), []) }),
  retry: () => interceptors.retry({ maxRetries: 0, statusCodes: [500], throwOnError: true }),
}

for (const [name, make] of Object.entries(chains)) {
  t.test(`${name}: a getter of options that throws after dispatch fails the request once`, async (t) => {
    const origin = await httpOrigin((_request, reply) =>
      reply.writeHead(500, { 'content-encoding': 'gzip' }).end('no gzip'),
    )
    const agent = new Agent()
    let dispatched = false
    const options = {
      origin: name === 'dns' ? 'http://name.test' : origin.url,
      method: 'GET',
      get path() {
        if (dispatched) throw new Error('read again')
        return '/'
      },
    }
    const errors: Error[] = []
    await new Promise<void>((resolve) => {
      agent.compose(make()).dispatch(options, {
        onResponseError(_controller, error) {
          errors.push(error)
          resolve()
        },
        onResponseEnd: () => resolve(),
      })
      dispatched = true
    })
    t.equal(errors.length, 1)
    t.notMatch(errors[0], { message: 'read again' })
    t.match(errors[0], { path: '/' }, 'the error names the path')
    await agent.close()
    await origin.close()
  })
}
