export { type RetryOptions, retry } from './retry.js'
