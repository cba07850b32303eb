import { Agent, Client, type Dispatcher, Pool } from 'undici'

/** Adds a header; typed by the name of the type. */
export const tagged: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) =>
  dispatch({ ...options, headers: { ...(options.headers as Record<string, string>), 'x-tag': '1' } }, handler)

/** Typed by the method of a dispatcher. */
export function logged(log: (line: string) => void): (dispatch: Dispatcher['dispatch']) => Dispatcher['dispatch'] {
  return (dispatch) => {
    return function logging(options, handler) {
      const started = Date.now()
      return dispatch(options, {
        ...handler,
        onResponseStart(controller, statusCode, headers, statusMessage) {
          const type = headers['content-type']
          log(
            `${options.method} ${options.path} ${statusCode} ${statusMessage ?? ''} ${Array.isArray(type) ? type[0] : type}`,
          )
          handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
        },
        onResponseEnd(controller, trailers) {
          log(`${Date.now() - started} ms`)
          handler.onResponseEnd?.(controller, trailers)
        },
        onResponseError(controller, error) {
          log(error.message)
          handler.onResponseError?.(controller, error)
        },
      })
    }
  }
}

/** Passes every callback on to another handler. */
class Observed implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler
  bytes = 0

  constructor(handler: Dispatcher.DispatchHandler) {
    this.#handler = handler
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: { history?: URL[] }): void {
    this.#handler.onRequestStart?.(controller, context)
  }

  onRequestUpgrade(...parameters: Parameters<NonNullable<Dispatcher.DispatchHandler['onRequestUpgrade']>>): void {
    this.#handler.onRequestUpgrade?.(...parameters)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.bytes += chunk.length
    if (this.bytes > 1024 && !controller.aborted) controller.abort(new Error('too much'))
    this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    this.#handler.onResponseError?.(controller, controller.reason ?? error)
  }
}

const limited: Dispatcher.DispatchInterceptor = (dispatch) => (options, handler) =>
  dispatch(options, new Observed(handler))

/** Says no by itself. */
const forbidden: Dispatcher.DispatcherComposeInterceptor = (dispatch) => {
  return (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean => {
    if (options.origin?.toString().startsWith('http:') && options.path.startsWith('/admin')) throw new Error('no')
    return dispatch(options, handler)
  }
}

export const client: Dispatcher = new Client('http://localhost').compose(tagged, limited)
export const pool: Dispatcher.ComposedDispatcher = new Pool('http://localhost').compose([tagged, limited, forbidden])
export const agent = new Agent().compose(logged(() => {})).compose(tagged)

// @ts-expect-error: an interceptor returns a function
export const none: Dispatcher.DispatcherComposeInterceptor = (dispatch) => dispatch({ path: '/', method: 'GET' }, {})
// @ts-expect-error: what is dispatched has a handler
export const alone: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options) => dispatch(options)
