export { EnvHttpProxyAgent } from '../proxy/env-http-proxy-agent.js'
export { ProxyAgent } from '../proxy/proxy-agent.js'
export type * from '../types.js'
