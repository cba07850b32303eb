export {
  type DecompressOptions,
  type DecompressOptions as DecompressInterceptorOpts,
  decompress,
} from './decompress.js'
export { type DNSAffinity, type DNSOptions, type DNSOptions as DNSInterceptorOpts, type DNSPick, dns } from './dns.js'
export type {
  DNSInterceptorOriginRecords,
  DNSInterceptorRecord,
  DNSStorage,
  FamilyRecords,
  Lookup as DNSLookup,
} from './dns-records.js'
export { type DumpOptions, type DumpOptions as DumpInterceptorOpts, dump } from './dump.js'
export { type HedgeOptions, hedge } from './hedge.js'
export { latency } from './latency.js'
export { redirect } from './redirect.js'
export type { RedirectOptions, RedirectOptions as RedirectInterceptorOpts } from './redirect-handler.js'
export {
  type ResponseErrorOptions,
  type ResponseErrorOptions as ResponseErrorInterceptorOpts,
  responseError,
} from './response-error.js'
export { retry } from './retry.js'
export type { RetryInput, RetryInterceptorOpts, RetryOptions } from './retry-options.js'
