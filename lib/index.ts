import * as errors from './errors.js'

export { BodyReadable } from './api/body.js'
export { Client } from './dispatcher/client.js'
export type { ClientOptions } from './dispatcher/client-options.js'
export { Dispatcher } from './dispatcher/dispatcher.js'
export { ClientStats } from './dispatcher/stats.js'
export type { DispatchController, DispatchHandler, LegacyDispatchHandler } from './exchange/handler.js'
export type { DispatchOptions } from './exchange/request.js'
export { buildConnector } from './transport/connect.js'
export { errors }
