import type { Connector, ConnectorOptions } from '../transport/connect.js'
import type { ParserOptions } from '../wire/parser-limits.js'

/** Options of a connection, from those of its client. */
export interface ConnectionOptions {
  connector: Connector
  target: ConnectorOptions
  /** ms */
  keepAliveTimeout: number
  /** ms */
  keepAliveMaxTimeout: number
  /** ms */
  keepAliveTimeoutThreshold: number
  /** Maximum body length in bytes; negative for no limit. */
  maxResponseSize: number
  /** Maximum number of requests per connection; 0 for no limit. */
  maxRequests: number
  strictContentLength: boolean
  parser: ParserOptions
}
