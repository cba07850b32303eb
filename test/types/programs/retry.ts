import { Agent, Client, type Dispatcher, interceptors, RetryAgent, RetryHandler } from 'undici'

const options: RetryHandler.RetryOptions = {
  maxRetries: 3,
  minTimeout: 10,
  maxTimeout: 1000,
  timeoutFactor: 2,
  retryAfter: true,
  throwOnError: false,
  methods: ['GET', 'HEAD', 'PUT'],
  statusCodes: [429, 503],
  errorCodes: ['ECONNRESET', 'UND_ERR_SOCKET'],
  retry(error, { state, opts }, callback) {
    const { maxRetries = 5 } = opts.retryOptions ?? {}
    const code = 'code' in error ? error.code : undefined
    if (code === 'ENOTFOUND' || state.counter > maxRetries) callback(error)
    else setTimeout(() => callback(null), 10 * state.counter)
  },
}

/** Apart from the options. */
export const patient: RetryHandler.RetryCallback = (error, context, done) => {
  if (context.state.counter > 3 || context.opts.method === 'POST') done(error)
  else done()
}

export const agent: Dispatcher = new RetryAgent(new Agent(), options)
export const composed = new Client('http://localhost').compose(interceptors.retry({ ...options, retry: patient }))

/** By hand. */
export function send(
  client: Client,
  request: Dispatcher.DispatchOptions,
  handler: Dispatcher.DispatchHandler,
): boolean {
  const retrying = new RetryHandler(
    { ...request, retryOptions: options },
    { dispatch: client.dispatch.bind(client), handler },
  )
  return client.dispatch(request, retrying)
}

export function without(codes: readonly number[]): RetryHandler.RetryOptions {
  const statusCodes = options.statusCodes?.filter((code) => !codes.includes(code)) ?? []
  statusCodes.push(500)
  return { ...options, statusCodes }
}

// @ts-expect-error: maxRetries is a number
export const wrong: RetryHandler.RetryOptions = { maxRetries: '3' }
// @ts-expect-error: it sends through a dispatcher
export const nowhere = new RetryAgent(options)
