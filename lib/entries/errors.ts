export type { ErrorClass } from '../errors/error-class.js'
export type { ResponseHeaders } from '../errors/errors-with-properties.js'
export * from '../errors/public.js'
export type { Timings } from '../errors/timings.js'
